"""What networks cost: multiply-adds in theory, and beside them what is measured, time, bytes and memory."""

import gzip
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amazon_tags.training.network_files import milliseconds_a_chip
from features.networks.network_costs import NetworkFiles, multiply_adds, parameters


@dataclass(frozen=True)
class Cost:
    """The cost of the networks of a bundle together.

    Attributes:
        parameters: numbers of their files that are not 0; the few that scale the pixels are among them.
        multiply_adds: for a chip, without those of weights that are 0.
        milliseconds: one core's time for a chip; floats are computed in f32.
        size: bytes of their files.
        gzipped: bytes of the same files compressed.
        memory: bytes of a process at most, that loads them and scores chips, OpenVINO and numpy included.
    """

    parameters: int
    multiply_adds: int
    milliseconds: float
    size: int
    gzipped: int
    memory: int


def measure_cost(networks: Sequence[NetworkFiles]) -> Cost:
    """Measure networks, of which each chip passes all."""
    content = [part for files in networks for part in files]
    return Cost(
        sum(map(parameters, networks)),
        sum(multiply_adds(files, of_zeros=False) for files in networks),
        sum(milliseconds_a_chip(files) for files in networks),
        sum(map(len, content)),
        sum(len(gzip.compress(part, mtime=0)) for part in content),
        _peak_memory(networks),
    )


def _peak_memory(networks: Sequence[NetworkFiles]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        for number, (graph, weights) in enumerate(networks):
            Path(folder, f"{number:02}.xml").write_bytes(graph)
            Path(folder, f"{number:02}.bin").write_bytes(weights)
        command = [sys.executable, "-m", "amazon_tags.compression.peak_memory", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  no user's input
    return int(done.stdout)

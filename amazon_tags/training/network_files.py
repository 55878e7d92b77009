"""Networks in a folder in OpenVINO's format: their content, and the time that they take. It needs no Keras."""

import time
from pathlib import Path

import numpy as np

from features.networks import openvino_runtime

TIMED_BATCHES = 5  # enough that the fastest of them was not disturbed by another process


def member_network(folder: Path) -> tuple[bytes, bytes]:
    """Return the XML and the weights of the network in a folder."""
    return (folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes()


def milliseconds_a_chip(files: tuple[bytes, bytes], hint: str = "f32") -> float:
    """Return one core's time for a chip by a network (XML, weights), the best of some batches."""
    network = openvino_runtime.load(*files, hint=hint)
    batch = np.zeros((openvino_runtime.BATCH, *network.chip_shape), network.dtype)
    times = []
    for _ in range(TIMED_BATCHES):
        start = time.perf_counter()
        network(batch)
        times.append(time.perf_counter() - start)
    return 1000 * min(times) / openvino_runtime.BATCH

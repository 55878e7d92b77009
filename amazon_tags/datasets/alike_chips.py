"""Pairs of chips whose vectors by a backbone of the user's own are similar."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amazon_tags import progress
from features.arrays import Positions
from features.images.layout import Layout
from features.images.listing import ChipPath
from features.images.spec import ChipSpec
from features.networks import extract, foreign, foreign_graph
from features.networks.openvino_runtime import OpenvinoNetwork
from features.scenes import alike

VIEWS = 8  # all dihedral views, so that a rotated or mirrored copy has the same vector


@dataclass(frozen=True)
class VectorSearch:
    """Where vectors come from, and the least cosine of two chips that belong together.

    Attributes:
        backbone: an `.onnx` or `.xml` file with a TOML file beside it.
        similarity: see `alike.MIN_SIMILARITY`.
    """

    backbone: Path
    similarity: float = alike.MIN_SIMILARITY


def load_network(search: VectorSearch, layout: Layout, jobs: int) -> tuple[OpenvinoNetwork, ChipSpec]:
    """Return the compiled backbone, and the chips that it takes.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the backbone cannot be used.
    """
    backbone = foreign.read_backbone(search.backbone)
    spec = replace(backbone.settings.chip_spec(), layout=layout)
    with tempfile.TemporaryDirectory() as folder:
        return foreign_graph.load(backbone, spec, Path(folder), jobs=jobs), spec


def alike_pairs(
    paths: Sequence[ChipPath], network: OpenvinoNetwork, spec: ChipSpec, similarity: float, *, jobs: int
) -> Positions:
    """Return the pairs (pairs, 2) of positions of similar chips, the lower one first.

    Raises:
        ChipError: a chip cannot be used.
    """
    vectors = np.zeros((len(paths), network.dim), np.float32)
    with progress.bar("embedding", len(paths)) as advance:
        for outputs in extract.stream_outputs(paths, [network], spec, turns=VIEWS, jobs=jobs):
            vectors[outputs.rows] = outputs.values[0].mean(axis=0)
            advance(len(outputs.errors))
    return alike.find_alike(vectors, similarity)

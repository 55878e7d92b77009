"""How near the chips of one set lie to those of another, by squared Euclidean distances between their vectors.

A distance is summed from squared differences, not expanded into products, so that equal vectors are exactly 0 apart and
no distance depends on how the sets are divided into blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from ensemble.arrays import Floats, Vectors

MAX_DISTANCES = 1 << 23  # in memory at a time: 64 MB
TILE_CHIPS = 4096  # whose vectors are converted to float64 at a time


@dataclass(frozen=True)
class Nearness:
    """Squared distances between the chips of a target and those of a source.

    Attributes:
        nearest: (target chips,) to the nearest source chip. Its mean is the directed coverage, where less is better.
        at_size: (target chips,) to the nearest of some random source chips: the mean over all parts of that size.
        reverse: (source chips,) to the nearest target chip. Its mean is the breadth of the source around the target.
    """

    nearest: Floats
    at_size: Floats
    reverse: Floats


def measure_nearness(target: Vectors, source: Vectors, *, size: int) -> Nearness:
    """Measure the distances between a target (chips, dim) and a source (chips, dim), in bounded memory.

    Args:
        target: vectors of the target's chips.
        source: vectors of the source's chips.
        size: of the parts of the source that `at_size` is the mean over, from 1 to all its chips. A larger source
            covers more by its size alone; at one size, sources can be compared by what they show.

    Raises:
        ValueError: a set is empty, the widths differ, or the source has fewer chips than `size`.
    """
    if target.ndim != 2 or source.ndim != 2 or target.shape[1] != source.shape[1] or not len(target):
        raise ValueError(
            f"target has shape {target.shape} and source {source.shape}; both must be (chips, dim), of one dim, with "
            "at least one chip."
        )
    weights = part_weights(len(source), size)
    nearest, at_size = np.empty(len(target)), np.empty(len(target))
    reverse = np.full(len(source), np.inf)
    for first, distances in _distance_blocks(target, source):
        rows = slice(first, first + len(distances))
        np.minimum(reverse, distances.min(axis=0), out=reverse)
        distances.sort(axis=1)
        nearest[rows] = distances[:, 0]
        at_size[rows] = (distances * weights).sum(axis=1)
    return Nearness(nearest, at_size, reverse)


def nearest_others(vectors: Vectors) -> Floats:
    """Return the squared distance (chips,) of each chip to the nearest other one of at least two (chips, dim)."""
    nearest = np.empty(len(vectors))
    for first, distances in _distance_blocks(vectors, vectors):
        rows = np.arange(len(distances))
        distances[rows, first + rows] = np.inf
        nearest[first + rows] = distances.min(axis=1)
    return nearest


def part_weights(chips: int, size: int) -> Floats:
    """Return the probabilities (chips,) that the nearest, second nearest, ... chip is the nearest one of a random part.

    A part is `size` of the chips, drawn without repetition. The k-th nearest is its nearest with the probability
    C(chips - k, size - 1) / C(chips, size).

    Example:
        >>> part_weights(3, 2).round(3)
        array([0.667, 0.333, 0.   ])
    """
    if not 1 <= size <= chips:
        raise ValueError(f"a part of {size} of {chips} chips cannot be drawn; the size must be from 1 to {chips}.")
    place = np.arange(1, chips)
    ratios = np.maximum(chips - place - size + 1, 0) / (chips - place)
    weights: Floats = np.cumprod(np.concatenate([[size / chips], ratios]))
    return weights


def _distance_blocks(first: Vectors, second: Vectors) -> Iterator[tuple[int, Floats]]:
    """Yield the first row of each block of `first`, and the block's squared distances (rows, chips of second)."""
    height = max(1, MAX_DISTANCES // len(second))
    for top in range(0, len(first), height):
        block = first[top : top + height]
        distances = np.empty((len(block), len(second)))
        for left in range(0, len(second), TILE_CHIPS):
            tile = second[left : left + TILE_CHIPS]
            distances[:, left : left + len(tile)] = cdist(block, tile, "sqeuclidean")
        yield top, distances

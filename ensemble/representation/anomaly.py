"""How far chips lie from known ones: the distance to the k-th nearest known vector, and how unusual it is.

By Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors", section 3: vectors are scaled to length
1, and nothing is assumed of how the known ones are distributed. The percentile beside the distance is by the distances
of the known chips from each other, each left out in turn, and needs no foreign chip.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Rows, Vectors

NEIGHBOURS = 10  # k: one stray or wrongly known chip hides nothing; tests/benchmarks/anomaly.py compares 1, 10 and 50
BLOCK_CHIPS, TILE_CHIPS = 1024, 4096  # whose distances are in memory at a time: 32 MB
EXACT_CHIPS = 64  # whose neighbours are in memory at a time: 7 MB of 10 neighbours with 1,280 columns
NONE = -1  # the row of a chip that is no known one


@dataclass(frozen=True)
class Anomaly:
    """How far chips lie from the known ones.

    Attributes:
        distance: (chips,) to the k-th nearest known chip, from 0 to 2.
        percentile: (chips,) the share of known chips that lie nearer to their own k-th nearest other one; 0.99 is
            farther than 99 % of them. Of chips like the known ones, 1 % are expected above 0.99.
    """

    distance: Floats
    percentile: Floats


@dataclass(frozen=True)
class KnownVectors:
    """Known vectors, from `fit_known`.

    Attributes:
        units: (known chips, dim) of length 1.
        neighbours: k.
        own: (known chips,) the distance of each to its k-th nearest other one, ascending.
    """

    units: Vectors
    neighbours: int
    own: Floats

    def measure(self, vectors: Vectors, rows: Rows) -> Anomaly:
        """Return how far vectors (chips, dim) lie from the known ones.

        Args:
            vectors: of the chips.
            rows: (chips,) which known chip each of them is, so that it is no neighbour of itself; `NONE` if it is none.
        """
        distance = kth_distances(_units(vectors), self.units, rows, neighbours=self.neighbours)
        return Anomaly(distance, np.searchsorted(self.own, distance, side="left") / len(self.own))


def fit_known(vectors: Vectors, *, neighbours: int = NEIGHBOURS) -> KnownVectors:
    """Return known vectors with their distances from each other.

    Args:
        vectors: (known chips, dim), each chip once.
        neighbours: k.

    Raises:
        ValueError: there are not more chips than neighbours.
    """
    if len(vectors) <= neighbours:
        raise ValueError(
            f"{len(vectors)} known chips are too few for the distance to the neighbour number {neighbours}; at least "
            f"{neighbours + 1} are needed."
        )
    units = _units(vectors)
    own = kth_distances(units, units, np.arange(len(units)), neighbours=neighbours)
    return KnownVectors(units, neighbours, np.sort(own))


def kth_distances(units: Vectors, known: Vectors, rows: Rows, *, neighbours: int) -> Floats:
    """Return the Euclidean distance (chips,) of each row of length 1 to its k-th nearest known one.

    The nearest are found by products, but their distances are summed from squared differences, so that equal vectors
    are exactly 0 apart. The arguments are those of `KnownVectors`.
    """
    distances = np.empty(len(units))
    for first in range(0, len(units), BLOCK_CHIPS):
        block = slice(first, first + BLOCK_CHIPS)
        nearest = _nearest(units[block].astype(np.float64), known, rows[block], neighbours)
        for top in range(0, len(nearest), EXACT_CHIPS):
            part = slice(first + top, first + min(top + EXACT_CHIPS, len(nearest)))
            squares = (units[part, np.newaxis].astype(np.float64) - known[nearest[top : top + EXACT_CHIPS]]) ** 2
            distances[part] = np.sqrt(squares.sum(axis=2).max(axis=1))
    return distances


def _nearest(block: Floats, known: Vectors, own: Rows, neighbours: int) -> Rows:
    """Return which known rows (chips, neighbours) have the highest cosine with each chip of a block, in any order."""
    cosines = np.full((len(block), 0), 0.0)
    places = np.full((len(block), 0), 0)
    for left in range(0, len(known), TILE_CHIPS):
        tile = known[left : left + TILE_CHIPS].astype(np.float64)
        found = block @ tile.T
        inside = np.flatnonzero((own >= left) & (own < left + len(tile)))
        found[inside, own[inside] - left] = -np.inf
        cosines = np.concatenate([cosines, found], axis=1)
        places = np.concatenate([places, np.broadcast_to(np.arange(left, left + len(tile)), found.shape)], axis=1)
        if cosines.shape[1] > neighbours:
            best = np.argpartition(-cosines, neighbours - 1, axis=1)[:, :neighbours]
            cosines, places = np.take_along_axis(cosines, best, 1), np.take_along_axis(places, best, 1)
    nearest: Rows = places
    return nearest


def _units(vectors: Vectors) -> Vectors:
    """Return vectors scaled to length 1; one of zeros stays."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    units: Vectors = (vectors / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    return units

"""Find chips of similar content by the vectors of a backbone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.arrays import NetworkOutput, Positions

# The cosine of two chips' vectors, each the mean over all dihedral views, less the mean of all chips. Of 771 real chips
# by MobileNetV3 Small, 22 have a partner at 0.98 and 80 at 0.97. A rotated or mirrored copy has 1.
MIN_SIMILARITY = 0.98
TILE_CHIPS = 4096  # compared at once, with as many others


def find_alike(vectors: NetworkOutput, similarity: float = MIN_SIMILARITY) -> Positions:
    """Return the pairs (pairs, 2) of chips whose vectors (chips, dim) have at least this cosine, the lower one first.

    The mean vector is subtracted before, because backbones give all chips a large part in common. All pairs are
    compared: time grows with the square of the chips, memory does not.
    """
    unit = _directions(vectors, vectors)

    pairs = [np.empty((0, 2), np.int64)]
    for top in range(0, len(unit), TILE_CHIPS):
        for left in range(top, len(unit), TILE_CHIPS):
            cosines = unit[top : top + TILE_CHIPS] @ unit[left : left + TILE_CHIPS].T
            first, second = np.nonzero(cosines >= similarity)
            near = np.stack([first + top, second + left], axis=1)
            pairs.append(near[near[:, 0] < near[:, 1]])
    return np.concatenate(pairs)


@dataclass(frozen=True)
class AlikeBetween:
    """Which chips of two sets have a similar one in the other set.

    Attributes:
        partner: (chips of the first set,) the position of the most similar chip of the second; -1 if none is similar.
        is_partner: (chips of the second set,) whether a chip of the first is similar.
    """

    partner: Positions
    is_partner: NDArray[np.bool_]


def find_alike_between(first: NetworkOutput, second: NetworkOutput, similarity: float = MIN_SIMILARITY) -> AlikeBetween:
    """Find the chips of two sets (chips, dim) that are similar to one of the other set, as in `find_alike`.

    The mean of the first set is subtracted from both, so that a set of other content, whose own mean is far away, does
    not make the chips of the first alike.
    """
    left, right = _directions(first, first), _directions(second, first)

    partner = np.full(len(left), -1)
    highest = np.full(len(left), similarity, np.float32)
    is_partner = np.zeros(len(right), np.bool_)
    for top in range(0, len(left), TILE_CHIPS):
        rows = slice(top, top + TILE_CHIPS)
        for start in range(0, len(right), TILE_CHIPS):
            cosines = left[rows] @ right[start : start + TILE_CHIPS].T
            is_partner[start : start + TILE_CHIPS] |= (cosines >= similarity).any(axis=0)
            best = cosines.argmax(axis=1)
            value = cosines[np.arange(len(best)), best]
            is_better = (value > highest[rows]) | ((partner[rows] < 0) & (value >= similarity))
            partner[rows] = np.where(is_better, best + start, partner[rows])
            highest[rows] = np.where(is_better, value, highest[rows])
    return AlikeBetween(partner, is_partner)


def _directions(vectors: NetworkOutput, centre: NetworkOutput) -> NetworkOutput:
    """Return vectors (chips, dim), less the mean of others, at length 1."""
    unit: NetworkOutput = vectors - centre.mean(axis=0)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    return unit

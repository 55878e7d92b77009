"""Masks of weights to keep, from a score of each weight; plain arrays, without a network library."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats

Mask = NDArray[np.bool_]  # of a tensor's shape; False where the weight is pruned


def global_masks(scores: Sequence[Floats], keep: float) -> list[Mask]:
    """Return the masks that keep a share of all weights together, those of the highest scores.

    Args:
        scores: of the weights of each tensor; of equal ones the first are kept.
        keep: the share, 0 to 1.
    """
    every = np.concatenate([score.ravel() for score in scores])
    kept = np.zeros(len(every), np.bool_)
    kept[np.argsort(-every, kind="stable")[: round(keep * len(every))]] = True
    parts = np.split(kept, np.cumsum([score.size for score in scores])[:-1])
    return [part.reshape(score.shape) for part, score in zip(parts, scores, strict=True)]


def layer_masks(scores: Sequence[Floats], keep: float) -> list[Mask]:
    """Return the masks that keep the same share of the weights of each tensor, those of the highest scores.

    What is rounded in one tensor is made good in the next, so that the share of all weights is met.
    """
    stops = np.rint(keep * np.cumsum([0, *(score.size for score in scores)])).astype(int)
    counts = np.diff(stops)
    return [global_masks([score], count / score.size)[0] for score, count in zip(scores, counts, strict=True)]

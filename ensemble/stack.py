"""Fits of second-level models: what learns from members' out-of-fold scores, on their log odds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ensemble import folds, joined, linear

Scores = NDArray[np.float32]  # (chips, labels)
Tags = NDArray[np.bool_]  # (chips, labels)

INNER = 5  # folds within the training chips, for level-one scores that level two may learn from


def two_levels(matrices: Sequence[Scores], truth: Tags, seed: int) -> joined.TwoLevels:
    """Ridge regressions on both levels, each with its strength by leave-one-out error and a sigmoid put on (Platt)."""
    fold = folds.stratify(truth, folds=min(INNER, len(truth)), seed=seed)
    held_out = np.zeros((len(truth), len(matrices), truth.shape[1]), np.float32)
    for number in range(int(fold.max()) + 1):
        rest, held = fold != number, fold == number
        heads = [linear.ridge(joined.odds(matrix[rest]), truth[rest], seed) for matrix in matrices]
        held_out[held] = joined.firsts(heads, [matrix[held] for matrix in matrices])
    first = tuple(linear.ridge(joined.odds(matrix), truth, seed) for matrix in matrices)
    second = tuple(linear.ridge(held_out[:, :, label], truth[:, [label]], seed) for label in range(truth.shape[1]))
    return joined.TwoLevels(first, second)

"""Second-level models: what learns from members' out-of-fold scores, on their log odds.

TwoLevels is the winner's scheme of the 2017 competition: first each model's labels correct each other, then each
label weighs the models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble import blend, calibrate, fitted, folds, linear

Scores = NDArray[np.float32]  # (chips, labels)
Tags = NDArray[np.bool_]  # (chips, labels)

INNER = 5  # folds within the training chips, for level-one scores that level two may learn from
REACH = 8.0  # log odds beyond are taken for this: a certainty that nobody has measured


@dataclass(frozen=True)
class TwoLevels:
    """`first` has a head a member, from its labels' odds to all labels; `second` one a label, from members' odds."""

    first: tuple[fitted.Linear, ...]
    second: tuple[fitted.Linear, ...]

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """One matrix of several, in the members' order."""
        blend.check(matrices, len(self.first))
        odds = _firsts(self.first, matrices)
        columns = [head.scores(odds[:, :, label]) for label, head in enumerate(self.second)]
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class Stacked:
    """A classical head on all members' odds in a row."""

    head: fitted.Head
    members: int

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """One matrix of several, in the members' order."""
        blend.check(matrices, self.members)
        return self.head.scores(row_of(matrices))


def two_levels(matrices: Sequence[Scores], truth: Tags, seed: int) -> TwoLevels:
    """Ridge regressions on both levels, each with its strength by leave-one-out error and a sigmoid put on (Platt)."""
    fold = folds.stratify(truth, folds=min(INNER, len(truth)), seed=seed)
    held_out = np.zeros((len(truth), len(matrices), truth.shape[1]), np.float32)
    for number in range(int(fold.max()) + 1):
        rest, held = fold != number, fold == number
        heads = [linear.ridge(_odds(matrix[rest]), truth[rest], seed) for matrix in matrices]
        held_out[held] = _firsts(heads, [matrix[held] for matrix in matrices])
    first = tuple(linear.ridge(_odds(matrix), truth, seed) for matrix in matrices)
    second = tuple(linear.ridge(held_out[:, :, label], truth[:, [label]], seed) for label in range(truth.shape[1]))
    return TwoLevels(first, second)


def row_of(matrices: Sequence[Scores]) -> NDArray[np.float32]:
    """All members' log odds (chips, members * labels)."""
    return np.concatenate([_odds(matrix) for matrix in matrices], axis=1)


def _odds(scores: Scores) -> NDArray[np.float32]:
    return np.clip(calibrate.log_odds(scores), -REACH, REACH).astype(np.float32)


def _firsts(heads: Sequence[fitted.Linear], matrices: Sequence[Scores]) -> NDArray[np.float32]:
    """Log odds (chips, members, labels) after level one."""
    pairs = zip(heads, matrices, strict=True)
    return np.stack([_odds(head.scores(_odds(matrix))) for head, matrix in pairs], axis=1)

"""The nested choice among candidates, which tuning a decision and choosing a second level share.

A candidate counts where the 95 % bootstrap interval over chips of its gain over a baseline clears zero. Of the counting
candidates that the best does not clearly beat, the simplest is chosen; where none counts, the baseline. The estimate of
the whole procedure repeats this choice within the training part of every fold.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Fold, Rows, Tags
from ensemble.metrics import folds, score

INNER_FOLDS = 3  # folds within a training part, in which a candidate is chosen

Value = TypeVar("Value", bound=np.generic)


class HeldOutResult(Protocol):
    """What a candidate is chosen by: its F-beta on chips that it was not fitted on."""

    @property
    def f_beta(self) -> Floats:
        """F-beta of each chip (chips,)."""

    @property
    def gain(self) -> float:
        """Gain of the mean F-beta over the baseline."""

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the gain."""


def gain_over(baseline: Floats, f_beta: Floats) -> tuple[float, tuple[float, float]]:
    """Return the mean gain over a baseline on the same chips, and its 95 % bootstrap interval."""
    gains = f_beta - baseline
    return float(gains.mean()), score.bootstrap_interval(gains)


def choose_candidate(results: Mapping[str, HeldOutResult], baseline: str, *, rivals: Sequence[str] = ()) -> str:
    """Return the name of the simplest candidate that counts and that the best of them does not clearly beat.

    Args:
        results: by name, the simpler first; the gains are over `baseline`.
        baseline: the name to return where no candidate counts.
        rivals: names of results that a counting candidate must clearly beat too.
    """
    counting = [
        name
        for name, result in results.items()
        if result.interval[0] > 0 and all(_clearly_beats(result, results[rival]) for rival in rivals)
    ]
    if not counting:
        return baseline
    best = results[max(counting, key=lambda name: results[name].gain)]
    return next(name for name in counting if not _clearly_beats(best, results[name]))  # at the latest the best itself


def _clearly_beats(result: HeldOutResult, other: HeldOutResult) -> bool:
    return score.bootstrap_interval(result.f_beta - other.f_beta)[0] > 0


def nested_choice(
    choose: Callable[[Rows, Fold], str],
    predict: Callable[[str, Rows, Rows], NDArray[Value]],
    truth: Tags,
    fold: Fold,
    *,
    seed: int,
    groups: NDArray[np.generic] | None = None,
) -> NDArray[Value]:
    """Return what the whole procedure predicts for held-out chips: the candidate too is chosen on the other folds.

    Args:
        choose: returns the name of a candidate from the rows of a training part and their fold within it.
        predict: returns what this candidate, fitted on the first rows, predicts for the second.
        truth: (chips, labels), by which the inner folds are stratified.
        fold: (chips,) the outer folds.
        seed: seed of the inner folds.
        groups: (chips,) chips of one group stay in one inner fold.
    """

    def fit(train: Rows, held_out: Rows) -> NDArray[Value]:
        inner_groups = None if groups is None else groups[train]
        inner_fold = folds.stratify(truth[train], folds=INNER_FOLDS, seed=seed, groups=inner_groups)
        return predict(choose(train, inner_fold), train, held_out)

    return folds.out_of_fold(fit, fold)

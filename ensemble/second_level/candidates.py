"""The choice of the second level by nested cross-validation, with the plain mean as the baseline.

`ensemble.choice` has the rule. The scores are compared by their F2 at the flat threshold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ensemble.arrays import Floats, Fold, Rows, Scores, Tags, Vectors
from ensemble.choice import choose_candidate, gain_over, nested_choice
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.heads.fitted import LinearHead
from ensemble.heads.ridge import fit_ridge
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from ensemble.second_level.diverse import diverse
from ensemble.second_level.models import (
    SecondLevel,
    StackedHead,
    TwoLevelRidge,
    clipped_log_odds,
    first_level_log_odds,
    stacked_log_odds,
)

BASELINE = "mean"  # the second level that the others must beat
RIDGE_FOLDS = 5  # folds within the training chips, for the out-of-fold scores that level two is fitted on

FitSecondLevel = Callable[[Sequence[Scores], Tags, int], SecondLevel]


def fit_two_levels(matrices: Sequence[Scores], truth: Tags, seed: int) -> TwoLevelRidge:
    """Fit ridge regressions on both levels, level two on out-of-fold log odds of level one."""

    def fit_first(matrices: Sequence[Scores], truth: Tags) -> tuple[LinearHead, ...]:
        return tuple(fit_ridge(clipped_log_odds(matrix), truth, seed) for matrix in matrices)

    def log_odds(train: Rows, held_out: Rows) -> Vectors:
        return first_level_log_odds(fit_first(_part(matrices, train), truth[train]), _part(matrices, held_out))

    fold = folds.stratify(truth, folds=min(RIDGE_FOLDS, len(truth)), seed=seed)
    odds = folds.out_of_fold(log_odds, fold)  # (chips, members, labels)
    second = tuple(fit_ridge(odds[:, :, label], truth[:, [label]], seed) for label in range(truth.shape[1]))
    return TwoLevelRidge(fit_first(matrices, truth), second)


def fit_boosted_stack(matrices: Sequence[Scores], truth: Tags, seed: int) -> StackedHead:
    """Fit boosted trees on all members' log odds side by side."""
    from ensemble.heads.trees import fit_boosted  # noqa: PLC0415  XGBoost takes 2 s to import; few models have trees

    return StackedHead(fit_boosted(stacked_log_odds(matrices), truth, seed), len(matrices))


SECOND_LEVELS: dict[str, FitSecondLevel] = {  # name -> fit(matrices, truth, seed); keys as in `SECOND_LEVEL_NAMES`
    BASELINE: lambda matrices, truth, seed: blend.equal(matrices),
    "geometric": lambda matrices, truth, seed: blend.equal(matrices, "geometric"),
    "rank": lambda matrices, truth, seed: blend.ranked(matrices),
    "diverse": diverse,
    "greedy": lambda matrices, truth, seed: blend.greedy(matrices, truth),
    "routed": lambda matrices, truth, seed: blend.routed(matrices, truth),
    "ridge": fit_two_levels,
    "boosted": fit_boosted_stack,
}


@dataclass(frozen=True)
class SecondLevelResult:
    """Scores of a second level for chips that it was not fitted on, their F2 at the flat threshold, and its gain."""

    scores: Scores
    f_beta: Floats  # (chips,)
    gain: float  # of the mean F2 over the plain mean
    interval: tuple[float, float]  # of the gain


@dataclass(frozen=True)
class ChosenSecondLevel:
    """The chosen second level, fitted on all chips, and the results that it was chosen by.

    `choice` is the result of the whole procedure, which chooses within the folds too.
    """

    second: SecondLevel
    name: str
    trials: dict[str, SecondLevelResult]
    choice: SecondLevelResult


def choose_second_level(matrices: Sequence[Scores], truth: Tags, fold: Fold, *, seed: int = 0) -> ChosenSecondLevel:
    """Compare all second levels on out-of-fold scores, choose one, and fit it on all chips.

    Args:
        matrices: one matrix of out-of-fold scores for each member.
        truth: (chips, labels).
        fold: (chips,) the folds of the comparison.
        seed: seed of the inner folds and of the fits.
    """
    trials = compare_second_levels(matrices, truth, fold, seed=seed)
    name = choose_candidate(trials, BASELINE)

    def choose(train: Rows, inner_fold: Fold) -> str:
        inner = compare_second_levels(_part(matrices, train), truth[train], inner_fold, seed=seed)
        return choose_candidate(inner, BASELINE)

    scores = nested_choice(choose, partial(_predict, matrices, truth, seed), truth, fold, seed=seed)
    choice = _result(scores, truth, trials[BASELINE].f_beta)
    return ChosenSecondLevel(SECOND_LEVELS[name](matrices, truth, seed), name, trials, choice)


def compare_second_levels(
    matrices: Sequence[Scores], truth: Tags, fold: Fold, *, names: Sequence[str] = tuple(SECOND_LEVELS), seed: int = 0
) -> dict[str, SecondLevelResult]:
    """Return the out-of-fold result of each second level in `names`; the plain mean is always the first."""
    scores = {
        name: folds.out_of_fold(partial(_predict, matrices, truth, seed, name), fold)
        for name in dict.fromkeys((BASELINE, *names))
    }
    baseline = _flat_f2(scores[BASELINE], truth)
    return {name: _result(matrix, truth, baseline) for name, matrix in scores.items()}


def _predict(matrices: Sequence[Scores], truth: Tags, seed: int, name: str, train: Rows, held_out: Rows) -> Scores:
    second = SECOND_LEVELS[name](_part(matrices, train), truth[train], seed)
    return second.scores(_part(matrices, held_out))


def _part(matrices: Sequence[Scores], rows: Rows) -> list[Scores]:
    return [matrix[rows] for matrix in matrices]


def _flat_f2(scores: Scores, truth: Tags) -> Floats:
    return score.per_chip(truth, apply_thresholds(scores, FLAT_THRESHOLD))


def _result(scores: Scores, truth: Tags, baseline: Floats) -> SecondLevelResult:
    f2 = _flat_f2(scores, truth)
    return SecondLevelResult(scores, f2, *gain_over(baseline, f2))

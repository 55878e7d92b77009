"""The second level: how members' scores become one, chosen by nested cross-validation.

A way counts where the 95 % bootstrap interval over chips of its gain over the plain mean clears zero; of those that
the best does not clearly beat, the simplest is taken, and without any the mean stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Fold, Scores, Tags
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.heads.ridge import fit_ridge
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from ensemble.second_level.models import (
    SecondLevel,
    StackedHead,
    TwoLevelRidge,
    clipped_log_odds,
    first_level_log_odds,
    stacked_log_odds,
)

RIDGE_FOLDS = 5  # folds within the training chips, for level-one scores that level two may learn from


def fit_two_levels(matrices: Sequence[Scores], truth: Tags, seed: int) -> TwoLevelRidge:
    """Ridge regressions on both levels, each with its strength by leave-one-out error and a sigmoid put on (Platt)."""
    fold = folds.stratify(truth, folds=min(RIDGE_FOLDS, len(truth)), seed=seed)
    held_out = np.zeros((len(truth), len(matrices), truth.shape[1]), np.float32)
    for number in range(int(fold.max()) + 1):
        rest, held = fold != number, fold == number
        heads = [fit_ridge(clipped_log_odds(matrix[rest]), truth[rest], seed) for matrix in matrices]
        held_out[held] = first_level_log_odds(heads, [matrix[held] for matrix in matrices])
    first = tuple(fit_ridge(clipped_log_odds(matrix), truth, seed) for matrix in matrices)
    second = tuple(fit_ridge(held_out[:, :, label], truth[:, [label]], seed) for label in range(truth.shape[1]))
    return TwoLevelRidge(first, second)


BASELINE = "mean"  # what the others must beat
INNER_FOLDS = 3  # folds within a training part, where a way is chosen
FitSecondLevel = Callable[[Sequence[Scores], Tags, int], SecondLevel]


def _boosted(matrices: Sequence[Scores], truth: Tags, seed: int) -> SecondLevel:
    from ensemble.heads.trees import fit_boosted  # noqa: PLC0415  XGBoost takes 2 s to import, and most models hold no trees

    return StackedHead(fit_boosted(stacked_log_odds(matrices), truth, seed), len(matrices))


SECOND_LEVELS: dict[str, FitSecondLevel] = {  # the simpler first
    BASELINE: lambda matrices, truth, seed: blend.equal(matrices),
    "geometric": lambda matrices, truth, seed: blend.equal(matrices, "geometric"),
    "rank": lambda matrices, truth, seed: blend.ranked(matrices),
    "greedy": lambda matrices, truth, seed: blend.greedy(matrices, truth),
    "routed": lambda matrices, truth, seed: blend.routed(matrices, truth),
    "ridge": fit_two_levels,
    "boosted": _boosted,
}


@dataclass(frozen=True)
class SecondLevelResult:
    """Scores that a way gave chips which its fit had not seen, their F2 at the flat cut, and its gain over the mean."""

    scores: Scores
    worth: Floats  # (chips,)
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ChosenSecondLevel:
    """The way chosen, fitted on all chips, and what it was chosen by; `choice` is what choosing within folds gives."""

    second: SecondLevel
    name: str
    trials: dict[str, SecondLevelResult]
    choice: SecondLevelResult


def choose_second_level(matrices: Sequence[Scores], truth: Tags, fold: Fold, *, seed: int = 0) -> ChosenSecondLevel:
    """Compare all ways on out-of-fold scores, and take one."""
    trials = compare_second_levels(matrices, truth, fold, seed=seed)
    name = pick_second_level(trials)
    given = np.zeros(truth.shape, np.float32)
    for number in np.unique(fold):
        held = fold == number
        rest = [matrix[~held] for matrix in matrices]
        inside = folds.stratify(truth[~held], folds=INNER_FOLDS, seed=seed)
        best = pick_second_level(compare_second_levels(rest, truth[~held], inside, seed=seed))
        fit = SECOND_LEVELS[best](rest, truth[~held], seed)
        given[held] = fit.scores([matrix[held] for matrix in matrices])
    choice = _trial(given, truth, trials[BASELINE].worth)
    return ChosenSecondLevel(SECOND_LEVELS[name](matrices, truth, seed), name, trials, choice)


def compare_second_levels(
    matrices: Sequence[Scores], truth: Tags, fold: Fold, *, names: Sequence[str] = tuple(SECOND_LEVELS), seed: int = 0
) -> dict[str, SecondLevelResult]:
    """Each way's scores of every fold, fitted on the others; the plain mean is always among them."""
    trials: dict[str, SecondLevelResult] = {}
    for name in dict.fromkeys((BASELINE, *names)):
        given = np.zeros(truth.shape, np.float32)
        for number in np.unique(fold):
            held = fold == number
            fit = SECOND_LEVELS[name]([matrix[~held] for matrix in matrices], truth[~held], seed)
            given[held] = fit.scores([matrix[held] for matrix in matrices])
        flat = score.per_chip(truth, apply_thresholds(given, FLAT_THRESHOLD)) if not trials else trials[BASELINE].worth
        trials[name] = _trial(given, truth, flat)
    return trials


def pick_second_level(trials: dict[str, SecondLevelResult]) -> str:
    """The simplest way that counts and that the best of them does not clearly beat."""
    counting = [name for name, trial in trials.items() if trial.interval[0] > 0]
    if not counting:
        return BASELINE
    best = max(counting, key=lambda name: trials[name].gain)
    return next(name for name in counting if score.bootstrap_interval(trials[best].worth - trials[name].worth)[0] <= 0)


def _trial(given: Scores, truth: Tags, flat: Floats) -> SecondLevelResult:
    worth = score.per_chip(truth, apply_thresholds(given, FLAT_THRESHOLD))
    return SecondLevelResult(given, worth, float((worth - flat).mean()), score.bootstrap_interval(worth - flat))

"""The second level: how members' scores become one, chosen by nested cross-validation.

A way counts where the 95 % bootstrap interval over chips of its gain over the plain mean clears zero; of those that
the best does not clearly beat, the simplest is taken, and without any the mean stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble import blend, decide, folds, joined, score, stack

Scores = NDArray[np.float32]  # (chips, labels)
Tags = NDArray[np.bool_]  # (chips, labels)
Fold = NDArray[np.int64]  # (chips,)
Floats = NDArray[np.float64]

KEEP = "mean"  # what the others must beat
INNER = 3  # folds within a training part, where a way is chosen


Fit = Callable[[Sequence[Scores], Tags, int], joined.Second]


def _boosted(matrices: Sequence[Scores], truth: Tags, seed: int) -> joined.Second:
    from ensemble import trees  # noqa: PLC0415  XGBoost takes 2 s to import, and most models hold no trees

    return joined.Stacked(trees.boosted(joined.row_of(matrices), truth, seed), len(matrices))


SECONDS: dict[str, Fit] = {  # the simpler first
    KEEP: lambda matrices, truth, seed: blend.equal(matrices),
    "geometric": lambda matrices, truth, seed: blend.equal(matrices, "geometric"),
    "rank": lambda matrices, truth, seed: blend.ranked(matrices),
    "greedy": lambda matrices, truth, seed: blend.greedy(matrices, truth),
    "routed": lambda matrices, truth, seed: blend.routed(matrices, truth),
    "ridge": stack.two_levels,
    "boosted": _boosted,
}


@dataclass(frozen=True)
class Trial:
    """Scores that a way gave chips which its fit had not seen, their F2 at the flat cut, and its gain over the mean."""

    scores: Scores
    worth: Floats  # (chips,)
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Chosen:
    """The way chosen, fitted on all chips, and what it was chosen by; `choice` is what choosing within folds gives."""

    second: joined.Second
    name: str
    trials: dict[str, Trial]
    choice: Trial


def choose(matrices: Sequence[Scores], truth: Tags, fold: Fold, *, seed: int = 0) -> Chosen:
    """Compare all ways on out-of-fold scores, and take one."""
    trials = compare(matrices, truth, fold, seed=seed)
    name = pick(trials)
    given = np.zeros(truth.shape, np.float32)
    for number in np.unique(fold):
        held = fold == number
        rest = [matrix[~held] for matrix in matrices]
        inside = folds.stratify(truth[~held], folds=INNER, seed=seed)
        best = pick(compare(rest, truth[~held], inside, seed=seed))
        fit = SECONDS[best](rest, truth[~held], seed)
        given[held] = fit.scores([matrix[held] for matrix in matrices])
    choice = _trial(given, truth, trials[KEEP].worth)
    return Chosen(SECONDS[name](matrices, truth, seed), name, trials, choice)


def compare(
    matrices: Sequence[Scores], truth: Tags, fold: Fold, *, names: Sequence[str] = tuple(SECONDS), seed: int = 0
) -> dict[str, Trial]:
    """Each way's scores of every fold, fitted on the others; the plain mean is always among them."""
    trials: dict[str, Trial] = {}
    for name in dict.fromkeys((KEEP, *names)):
        given = np.zeros(truth.shape, np.float32)
        for number in np.unique(fold):
            held = fold == number
            fit = SECONDS[name]([matrix[~held] for matrix in matrices], truth[~held], seed)
            given[held] = fit.scores([matrix[held] for matrix in matrices])
        flat = score.per_chip(truth, decide.apply(given, decide.FLAT)) if not trials else trials[KEEP].worth
        trials[name] = _trial(given, truth, flat)
    return trials


def pick(trials: dict[str, Trial]) -> str:
    """The simplest way that counts and that the best of them does not clearly beat."""
    counting = [name for name, trial in trials.items() if trial.interval[0] > 0]
    if not counting:
        return KEEP
    best = max(counting, key=lambda name: trials[name].gain)
    return next(name for name in counting if score.interval(trials[best].worth - trials[name].worth)[0] <= 0)


def _trial(given: Scores, truth: Tags, flat: Floats) -> Trial:
    worth = score.per_chip(truth, decide.apply(given, decide.FLAT))
    return Trial(given, worth, float((worth - flat).mean()), score.interval(worth - flat))

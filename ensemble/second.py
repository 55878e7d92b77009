"""The second level: how members' scores become one, chosen by nested cross-validation, and its file.

    second.npz   a mean of some kind, or two levels of ridge regressions
    second.json  trees

A way counts where the 95 % bootstrap interval over chips of its gain over the plain mean clears zero; of those that
the best does not clearly beat, the simplest is taken, and without any the mean stays.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensemble import blend, decide, fitted, folds, score, stack

Scores = NDArray[np.float32]  # (chips, labels)
Tags = NDArray[np.bool_]  # (chips, labels)
Fold = NDArray[np.int64]  # (chips,)
Floats = NDArray[np.float64]

FILES = ("second.npz", "second.json")
KEEP = "mean"  # what the others must beat
INNER = 3  # folds within a training part, where a way is chosen


class Second(Protocol):
    """Anything that makes one score matrix of several."""

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """Scores (chips, labels) in [0, 1], of one matrix a member."""


Fit = Callable[[Sequence[Scores], Tags, int], Second]


def _boosted(matrices: Sequence[Scores], truth: Tags, seed: int) -> Second:
    from ensemble import trees  # noqa: PLC0415  XGBoost takes 2 s to import, and most models hold no trees

    return stack.Stacked(trees.boosted(stack.row_of(matrices), truth, seed), len(matrices))


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

    second: Second
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


def pack(second: Second) -> tuple[str, bytes]:
    """The name of its file, one of `FILES`, and the content."""
    buffer = io.BytesIO()
    if isinstance(second, blend.Blend):
        np.savez(buffer, kind=np.array(second.kind), weights=second.weights, knots=second.knots)
    elif isinstance(second, stack.TwoLevels):
        parts = {
            f"{level}_{number}_{key}": value
            for level, heads in (("first", second.first), ("second", second.second))
            for number, head in enumerate(heads)
            for key, value in vars(head).items()
        }
        np.savez(buffer, kind=np.array("ridge"), **parts)
    elif isinstance(second, stack.Stacked):
        return FILES[1], second.head.pack()[1]
    return FILES[0], buffer.getvalue()


def parse(name: str, content: bytes, members: int) -> Second:
    """What was packed.

    Raises:
        ValueError: the file is none, or its parts do not fit together or `members`.
    """
    if name == "second.json":
        return stack.Stacked(fitted.parse("head.json", content), members)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    kind = str(arrays.pop("kind"))
    if kind == "ridge":
        return stack.TwoLevels(_heads(arrays, "first", members), _heads(arrays, "second", None))
    weights, knots = arrays["weights"], arrays["knots"]
    if kind not in blend.KINDS or weights.ndim != 2 or len(weights) != members:
        raise ValueError(f"a second level of kind {kind} with weights {weights.shape} for {members} members")
    if not np.isfinite(weights).all() or weights.min() < 0 or np.abs(weights.sum(axis=0) - 1).max() > 1e-6:
        raise ValueError("the weights of the second level do not sum to 1")
    if kind == "rank" and (knots.shape[:2] != (members + 1, weights.shape[1]) or (np.diff(knots, axis=2) < 0).any()):
        raise ValueError(f"the knots of the second level, {knots.shape}, are no distributions")
    return blend.Blend(kind, weights, knots)


def _heads(arrays: dict[str, NDArray[Any]], level: str, count: int | None) -> tuple[fitted.Linear, ...]:
    found = sum(key.startswith(level) and key.endswith("_bias") for key in arrays)
    if count is not None and found != count:
        raise ValueError(f"the second level has {found} heads for {count} members")
    keys = ("mean", "spread", "weights", "bias")
    return tuple(fitted.Linear(*(arrays[f"{level}_{number}_{key}"] for key in keys)) for number in range(found))


def _trial(given: Scores, truth: Tags, flat: Floats) -> Trial:
    worth = score.per_chip(truth, decide.apply(given, decide.FLAT))
    return Trial(given, worth, float((worth - flat).mean()), score.interval(worth - flat))

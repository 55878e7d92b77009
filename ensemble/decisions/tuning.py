"""The choice of calibration and decoder by nested cross-validation.

Whatever is fitted is fitted on the other folds. A candidate counts where the 95 % bootstrap interval over chips of its
gain clears zero, both over one flat cut of the scores as they are and over the constant answer; of those that the best
does not clearly beat, the simplest is chosen. Where none counts, the flat cut is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Fold, Scores, Tags
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.decision import Decision, decide_tags, fit_decision
from ensemble.decisions.thresholds import apply_thresholds, fit_thresholds
from ensemble.metrics import folds, score

FOLDS, INNER_FOLDS = 5, 3  # outer folds; those within a training part, where a calibration or a candidate is chosen
BOOTSTRAP_DRAWS = 40  # of the chips, to see how far cuts move
BASELINE = "flat"  # the candidate that the others must beat
CANDIDATES = {  # name -> decoder; the simpler first
    "flat, calibrated": "flat",
    "cuts": "cuts",
    "expected": "expected",
    "ruled": "ruled",
}


@dataclass(frozen=True)
class TuningProblem:
    """What is tuned on: scores of chips that their network had not seen, the truth, and the flat decision to beat.

    `recalls` maps columns to the recall that they must reach; chips with one of `groups` stay in one fold.
    """

    scores: Scores
    truth: Tags
    start: Decision
    recalls: dict[int, float]
    groups: NDArray[np.generic] | None = None
    seed: int = 0

    def part(self, rows: NDArray[np.bool_]) -> "TuningProblem":
        """The problem on some chips."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, scores=self.scores[rows], truth=self.truth[rows], groups=groups)


@dataclass(frozen=True)
class CandidateResult:
    """Tags (chips, labels) that a candidate gave chips which its fit had not seen, their F-beta, and its gain."""

    tags: Tags
    worth: Floats  # (chips,)
    gain: float  # over the flat cut
    interval: tuple[float, float]  # of the gain


@dataclass(frozen=True)
class TuningResult:
    """The decision chosen, fitted on all chips, and what it was chosen by.

    `choice` is what the whole procedure gives when it chooses within the folds too. `losses` are the calibrations'
    log losses on chips that they had not seen.
    """

    decision: Decision
    chosen: str
    candidates: dict[str, CandidateResult]
    choice: CandidateResult
    losses: dict[str, float]
    fold: Fold


def tune_decision(problem: TuningProblem, *, advance: Callable[[int], None] = lambda parts: None) -> TuningResult:
    """Compare all candidates in `FOLDS` folds, choose one, and fit it on all chips.

    `advance` is told of each of the `FOLDS` + 1 comparisons.
    """
    fold = folds.stratify(problem.truth, folds=FOLDS, seed=problem.seed, groups=problem.groups)
    candidates = compare(problem, fold)
    advance(1)
    chosen = choose(candidates)
    given = np.zeros(problem.truth.shape, np.bool_)
    for number in range(FOLDS):
        held = fold == number
        rest = problem.part(~held)
        inside = folds.stratify(rest.truth, folds=INNER_FOLDS, seed=problem.seed, groups=rest.groups)
        decision = _fit(choose(compare(rest, inside)), rest)
        given[held] = decide_tags(decision, problem.scores[held])
        advance(1)
    choice = _candidate(problem, given, candidates[BASELINE].worth)
    return TuningResult(_fit(chosen, problem), chosen, candidates, choice, losses(problem, fold), fold)


def compare(problem: TuningProblem, fold: Fold) -> dict[str, CandidateResult]:
    """Every candidate's tags of every fold, fitted on the others; first the flat cut, last the constant answer."""
    given = {name: np.zeros(problem.truth.shape, np.bool_) for name in (BASELINE, *CANDIDATES, "constant")}
    for number in np.unique(fold):
        held = fold == number
        rest = problem.part(~held)
        fitted = {BASELINE: _floored(problem.start, rest)}
        calibration = _calibration(rest)
        for name in CANDIDATES:
            fitted[name] = _fit(name, rest, calibration)
        for name, decision in fitted.items():
            given[name][held] = decide_tags(decision, problem.scores[held])
        given["constant"][held] = _constant(rest)
    flat = score.per_chip(problem.truth, given[BASELINE], beta=problem.start.beta)
    return {name: _candidate(problem, tags, flat) for name, tags in given.items()}


def _constant(problem: TuningProblem) -> Tags:
    """The best answer (labels,) that is the same for all chips, by coordinate ascent."""
    rates = problem.truth.mean(axis=0, dtype=np.float32)
    same = np.broadcast_to(rates, problem.truth.shape)
    thresholds = fit_thresholds(same, problem.truth, beta=problem.start.beta, start=problem.start.thresholds)
    answer: Tags = apply_thresholds(rates[None], thresholds)[0]
    return answer


def choose(candidates: dict[str, CandidateResult]) -> str:
    """The name of the simplest candidate that counts and that the best of them does not clearly beat."""
    constant = candidates["constant"].worth
    counting = [
        name
        for name in CANDIDATES
        if candidates[name].interval[0] > 0 and score.bootstrap_interval(candidates[name].worth - constant)[0] > 0
    ]
    if not counting:
        return BASELINE
    best = max(counting, key=lambda name: candidates[name].gain)
    lead = {name: score.bootstrap_interval(candidates[best].worth - candidates[name].worth)[0] for name in counting}
    return next(name for name in counting if lead[name] <= 0)  # at the latest the best itself, whose lead is 0


def losses(problem: TuningProblem, fold: Fold) -> dict[str, float]:
    """The log loss of every calibration on chips that it had not seen."""
    return {name: score.log_loss(problem.truth, held_out(problem, fold, name)) for name in calibrate.CALIBRATIONS}


def _calibration(problem: TuningProblem) -> Calibration:
    """The calibration of least log loss by inner folds, the simpler one where the loss is the same; fitted on all."""
    inside = folds.stratify(problem.truth, folds=INNER_FOLDS, seed=problem.seed, groups=problem.groups)
    found = losses(problem, inside)
    best = min(found, key=lambda name: found[name])
    return calibrate.fit(best, problem.scores, problem.truth, problem.start.rules.groups)


def _fit(name: str, problem: TuningProblem, calibration: Calibration | None = None) -> Decision:
    if name == BASELINE:
        return _floored(problem.start, problem)
    if calibration is None:
        calibration = _calibration(problem)
    decision = fit_decision(CANDIDATES[name], calibration, problem.scores, problem.truth, problem.start)
    return _floored(decision, problem)


def _floored(decision: Decision, problem: TuningProblem) -> Decision:
    """With cuts from which a label is always given, each the highest that reaches its recall on the problem's chips."""
    if not problem.recalls:
        return decision
    calibrated = calibrate.apply(decision.calibration, problem.scores)
    floors = decision.floors.copy()
    for label, recall in problem.recalls.items():
        falling = np.sort(calibrated[problem.truth[:, label], label])[::-1]
        floors[label] = falling[int(np.ceil(recall * len(falling))) - 1] if len(falling) and recall > 0 else np.inf
    return replace(decision, floors=floors)


def _candidate(problem: TuningProblem, given: Tags, flat: Floats) -> CandidateResult:
    worth = score.per_chip(problem.truth, given, beta=problem.start.beta)
    return CandidateResult(given, worth, float((worth - flat).mean()), score.bootstrap_interval(worth - flat))


@dataclass(frozen=True)
class ThresholdIntervals:
    """A cut of calibrated scores for each label (labels,), and its 95 % bootstrap interval (labels, 2)."""

    thresholds: NDArray[np.float32]
    intervals: Floats


def threshold_intervals(problem: TuningProblem, calibration: Calibration) -> ThresholdIntervals:
    """Fitted cuts, and how far they move when the chips are drawn anew."""
    calibrated = calibrate.apply(calibration, problem.scores)
    fit = partial(fit_thresholds, beta=problem.start.beta, start=problem.start.thresholds)
    rng = np.random.default_rng(problem.seed)
    drawn = []
    for _ in range(BOOTSTRAP_DRAWS):
        chips = rng.integers(len(calibrated), size=len(calibrated))
        drawn.append(fit(calibrated[chips], problem.truth[chips]))
    intervals = np.quantile(np.minimum(drawn, 1), [0.025, 0.975], axis=0).T
    return ThresholdIntervals(fit(calibrated, problem.truth), intervals)


def held_out(problem: TuningProblem, fold: Fold, name: str) -> Scores:
    """Scores calibrated by a fit that had not seen them."""
    made = np.zeros(problem.scores.shape, np.float32)
    for number in np.unique(fold):
        held = fold == number
        calibration = calibrate.fit(name, problem.scores[~held], problem.truth[~held], problem.start.rules.groups)
        made[held] = calibrate.apply(calibration, problem.scores[held])
    return made

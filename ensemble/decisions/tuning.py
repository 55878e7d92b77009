"""The choice of calibration and decoder by nested cross-validation.

Everything is fitted on the other folds. A candidate must clearly beat one flat threshold of uncalibrated scores, and
the best constant answer too; `ensemble.choice` has the rule.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Fold, Rows, Scores, Tags, Thresholds
from ensemble.choice import INNER_FOLDS, choose_candidate, gain_over, nested_choice
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.decision import Decision, decide_tags, fit_decision
from ensemble.decisions.recall_floor import recall_floor
from ensemble.decisions.thresholds import apply_thresholds, fit_thresholds
from ensemble.metrics import folds, score

FOLDS = 5  # outer folds; `INNER_FOLDS` are those within a training part
DIVISIONS = (FOLDS, INNER_FOLDS, INNER_FOLDS)  # the choice within folds, and the calibration within its folds
BOOTSTRAP_DRAWS = 40  # samples of the chips, for the intervals of thresholds
BASELINE = "flat"  # the candidate that the others must beat
CONSTANT = "constant"  # the best answer that is the same for all chips, which they must beat too
CANDIDATES = {  # name -> decoder; the simpler first
    "flat, calibrated": "flat",
    "cuts": "cuts",
    "expected": "expected",
    "ruled": "ruled",
}


@dataclass(frozen=True)
class TuningProblem:
    """What a decision is tuned on: out-of-fold scores, the ground truth, and the flat decision to beat.

    `recalls` maps columns to the least recall that the user requests; chips of one of the `groups` stay in one fold.
    """

    scores: Scores
    truth: Tags
    start: Decision
    recalls: dict[int, float]
    groups: NDArray[np.generic] | None = None
    seed: int = 0

    def part(self, rows: Rows) -> "TuningProblem":
        """Return the problem on some of its chips."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, scores=self.scores[rows], truth=self.truth[rows], groups=groups)

    def stratify(self, number: int) -> Fold:
        """Return `number` stratified folds of the chips."""
        return folds.stratify(self.truth, folds=number, seed=self.seed, groups=self.groups)


@dataclass(frozen=True)
class CandidateResult:
    """Tags that a candidate predicted for chips which it was not fitted on, their F-beta, and its gain."""

    tags: Tags
    f_beta: Floats  # (chips,)
    gain: float  # of the mean F-beta over the flat threshold
    interval: tuple[float, float]  # of the gain


@dataclass(frozen=True)
class TuningResult:
    """The chosen decision, fitted on all chips, and the results that it was chosen by.

    `choice` is the result of the whole procedure, which chooses within the folds too. `losses` are the calibrations'
    log losses on held-out chips.
    """

    decision: Decision
    chosen: str
    candidates: dict[str, CandidateResult]
    choice: CandidateResult
    losses: dict[str, float]
    fold: Fold


def tune_decision(problem: TuningProblem, *, advance: Callable[[int], None] = lambda parts: None) -> TuningResult:
    """Compare all candidates in `FOLDS` folds, choose one, and fit it on all chips.

    `advance` is called with 1 after each of the `FOLDS` + 1 comparisons.
    """
    fold = problem.stratify(FOLDS)
    candidates = compare(problem, fold)
    chosen = choose(candidates)
    advance(1)

    def predict(name: str, train: Rows, held_out: Rows) -> Tags:
        tags = decide_tags(_fit(name, problem.part(train)), problem.scores[held_out])
        advance(1)
        return tags

    tags = nested_choice(
        lambda train, inner_fold: choose(compare(problem.part(train), inner_fold)),
        predict,
        problem.truth,
        fold,
        seed=problem.seed,
        groups=problem.groups,
    )
    choice = _result(problem, tags, candidates[BASELINE].f_beta)
    return TuningResult(_fit(chosen, problem), chosen, candidates, choice, losses(problem, fold), fold)


def compare(problem: TuningProblem, fold: Fold) -> dict[str, CandidateResult]:
    """Return every candidate's out-of-fold result; the flat threshold comes first, the constant answer last."""
    names = (BASELINE, *CANDIDATES, CONSTANT)

    def decide(train: Rows, held_out: Rows) -> Tags:
        part = problem.part(train)
        calibration = best_calibration(part)  # one for all candidates
        decisions = [_fit(name, part, calibration) for name in (BASELINE, *CANDIDATES)]
        tags = [decide_tags(decision, problem.scores[held_out]) for decision in decisions]
        constant = np.broadcast_to(_constant_answer(part), tags[0].shape)
        return np.stack([*tags, constant], axis=1)

    tags = dict(zip(names, folds.out_of_fold(decide, fold).swapaxes(0, 1), strict=True))
    flat = score.per_chip(problem.truth, tags[BASELINE], beta=problem.start.beta)
    return {name: _result(problem, tags[name], flat) for name in names}


def choose(candidates: dict[str, CandidateResult]) -> str:
    """Return the name of the chosen candidate, by the rule of `ensemble.choice`."""
    return choose_candidate(candidates, BASELINE, rivals=(CONSTANT,))


def _constant_answer(problem: TuningProblem) -> NDArray[np.bool_]:
    """Return the best answer (labels,) that is the same for all chips, by coordinate ascent."""
    rates = problem.truth.mean(axis=0, dtype=np.float32)
    same_scores = np.broadcast_to(rates, problem.truth.shape)
    thresholds = fit_thresholds(same_scores, problem.truth, beta=problem.start.beta, start=problem.start.thresholds)
    answer: NDArray[np.bool_] = apply_thresholds(rates[None], thresholds)[0]
    return answer


def losses(problem: TuningProblem, fold: Fold) -> dict[str, float]:
    """Return the log loss of every calibration on held-out chips."""
    return {name: score.log_loss(problem.truth, held_out(problem, fold, name)) for name in calibrate.CALIBRATIONS}


def held_out(problem: TuningProblem, fold: Fold, name: str) -> Scores:
    """Return out-of-fold calibrated scores, by the calibration `name`."""

    def calibrated(train: Rows, rows: Rows) -> Scores:
        calibration = _fit_calibration(name, problem.part(train))
        return calibrate.apply(calibration, problem.scores[rows])

    return folds.out_of_fold(calibrated, fold)


def _fit_calibration(name: str, problem: TuningProblem) -> Calibration:
    return calibrate.fit(name, problem.scores, problem.truth, problem.start.rules.groups)


def best_calibration(problem: TuningProblem) -> Calibration:
    """Return the calibration of least log loss by inner folds, of equal ones the simplest, fitted on all chips.

    With required recalls it is one that keeps the order of a label's scores, which their promise needs.
    """
    inner_losses = losses(problem, problem.stratify(INNER_FOLDS))
    if problem.recalls:
        inner_losses = {name: inner_losses[name] for name in calibrate.ORDERLY}
    return _fit_calibration(min(inner_losses, key=lambda name: inner_losses[name]), problem)


def _fit(name: str, problem: TuningProblem, calibration: Calibration | None = None) -> Decision:
    """Fit the candidate `name` on all chips, with this calibration or the best one."""
    if name == BASELINE:
        return _with_floors(problem.start, problem)
    calibration = calibration or best_calibration(problem)
    decision = fit_decision(CANDIDATES[name], calibration, problem.scores, problem.truth, problem.start)
    return _with_floors(decision, problem)


def _with_floors(decision: Decision, problem: TuningProblem) -> Decision:
    """Return the decision with floors, each of which promises its label's recall."""
    if not problem.recalls:
        return decision
    calibrated = calibrate.apply(decision.calibration, problem.scores)
    floors = decision.floors.copy()
    for label, recall in problem.recalls.items():
        carriers = calibrated[problem.truth[:, label], label]
        floors[label] = recall_floor(carriers, recall) if len(carriers) else np.inf
    return replace(decision, floors=floors)


def _result(problem: TuningProblem, tags: Tags, flat: Floats) -> CandidateResult:
    f_beta = score.per_chip(problem.truth, tags, beta=problem.start.beta)
    return CandidateResult(tags, f_beta, *gain_over(flat, f_beta))


@dataclass(frozen=True)
class ThresholdIntervals:
    """A threshold of calibrated scores for each label, and its 95 % bootstrap interval (labels, 2)."""

    thresholds: Thresholds
    intervals: Floats


def threshold_intervals(problem: TuningProblem, calibration: Calibration) -> ThresholdIntervals:
    """Fit a threshold for each label, and its interval over samples of the chips."""
    calibrated = calibrate.apply(calibration, problem.scores)
    fit = partial(fit_thresholds, beta=problem.start.beta, start=problem.start.thresholds)
    rng = np.random.default_rng(problem.seed)

    resampled = []
    for _ in range(BOOTSTRAP_DRAWS):
        chips = rng.integers(len(calibrated), size=len(calibrated))
        resampled.append(fit(calibrated[chips], problem.truth[chips]))
    intervals = np.quantile(np.minimum(resampled, 1), [0.025, 0.975], axis=0).T
    return ThresholdIntervals(fit(calibrated, problem.truth), intervals)

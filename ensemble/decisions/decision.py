"""Decoders: whatever turns calibrated scores into tags, under one face.

A `Decision` is all that stands between a network's scores and its tags; a plain value that can be written down.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags
from ensemble.decisions import calibrate, expected
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.expected import Rules
from ensemble.decisions.thresholds import apply_thresholds, fit_thresholds


@dataclass(frozen=True)
class Decision:
    """How scores become tags.

    `cuts` (labels,) are for the decoders that cut, `rules` for the one that knows them. `floors` (labels,) are cuts of
    calibrated scores from which a label is given whatever the decoder says, infinite where none is asked for.
    """

    calibration: Calibration
    decoder: str
    thresholds: NDArray[np.float32]
    floors: NDArray[np.float32]
    rules: Rules
    beta: float = 2.0


def flat_decision(labels: int, *, rules: Rules, beta: float = 2.0) -> Decision:
    """One flat cut of scores as they are: 1 / (1 + beta^2), for F2 0.2."""
    return Decision(
        calibrate.unchanged(labels),
        "flat",
        np.full(labels, 1 / (1 + beta**2), np.float32),
        np.full(labels, np.inf, np.float32),
        rules,
        beta,
    )


def decide_tags(decision: Decision, scores: Scores) -> Tags:
    """Tags (chips, labels)."""
    calibrated = calibrate.apply(decision.calibration, scores)
    given: Tags = DECODERS[decision.decoder](decision, calibrated) | (calibrated >= decision.floors)
    return given


def expected_f(decision: Decision, scores: Scores, given: Tags) -> Floats:
    """The expected F-beta (chips,) of the tags given, as far as the calibrated scores can be believed."""
    calibrated = calibrate.apply(decision.calibration, scores)
    return expected.expected_f_beta(calibrated, given, beta=decision.beta, rules=decision.rules)


def fit_decision(decoder: str, calibration: Calibration, scores: Scores, truth: Tags, start: Decision) -> Decision:
    """A decision by one decoder; what it learns from is the scores' truth, `start` gives rules, beta and floors."""
    decision = replace(start, calibration=calibration, decoder=decoder)
    if decoder != "cuts":
        return decision
    calibrated = calibrate.apply(calibration, scores)
    return replace(decision, thresholds=fit_thresholds(calibrated, truth, beta=start.beta, start=start.thresholds))


def _at_thresholds(decision: Decision, calibrated: Scores) -> Tags:
    return apply_thresholds(calibrated, decision.thresholds)


def _expected(decision: Decision, calibrated: Scores) -> Tags:
    return expected.decode(calibrated, beta=decision.beta)[0]


def _ruled(decision: Decision, calibrated: Scores) -> Tags:
    return expected.decode(calibrated, beta=decision.beta, rules=decision.rules)[0]


DECODERS: dict[str, Callable[[Decision, Scores], Tags]] = {  # the simpler first
    "flat": _at_thresholds,
    "cuts": _at_thresholds,
    "expected": _expected,
    "ruled": _ruled,
}

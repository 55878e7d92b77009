"""Decisions: a calibration and a decoder, which together turn scores into tags.

A `Decision` is a plain value, which `amazon_tags.model.decision_file` writes to JSON.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ensemble.arrays import Floats, Scores, Tags, Thresholds
from ensemble.decisions import calibrate, expected
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.expected import Rules
from ensemble.decisions.thresholds import apply_thresholds, fit_thresholds


@dataclass(frozen=True)
class Decision:
    """How scores become tags.

    `thresholds` are for the decoders `flat` and `cuts`, `rules` for `ruled`. A label whose calibrated score reaches its
    `floors` is tagged whatever the decoder returns; a floor is infinite where the user requests no recall.
    """

    calibration: Calibration
    decoder: str  # a key of DECODERS
    thresholds: Thresholds
    floors: Thresholds
    rules: Rules
    beta: float = 2.0


def flat_decision(labels: int, *, rules: Rules, beta: float = 2.0) -> Decision:
    """Return one flat threshold for uncalibrated scores: 1 / (1 + beta^2), which is 0.2 for F2."""
    return Decision(
        calibrate.unchanged(labels),
        "flat",
        np.full(labels, 1 / (1 + beta**2), np.float32),
        np.full(labels, np.inf, np.float32),
        rules,
        beta,
    )


def decide_tags(decision: Decision, scores: Scores) -> Tags:
    """Return the tags (chips, labels) that a decision predicts from scores."""
    calibrated = calibrate.apply(decision.calibration, scores)
    tags: Tags = DECODERS[decision.decoder](decision, calibrated) | (calibrated >= decision.floors)
    return tags


def score_thresholds(decision: Decision) -> Thresholds | None:
    """Return the least score (labels,), before calibration, at which each label is a tag.

    None if a tag depends on the scores of other labels, as with the decoder `expected` or the calibration `softmax`. A
    label that is never a tag gets a threshold above 1.
    """
    if DECODERS[decision.decoder] is not _at_thresholds or decision.calibration.groups:
        return None
    low = np.zeros(len(decision.thresholds), np.int32)  # floats from 0 to 1 have the order of their bits
    high = np.full_like(low, np.nextafter(np.float32(1), np.float32(2)).view(np.int32))
    while (low < high).any():
        middle = (low + high) // 2
        tagged = decide_tags(decision, middle.view(np.float32)[np.newaxis])[0]
        low, high = np.where(tagged, low, np.minimum(middle + 1, high)), np.where(tagged, middle, high)
    return high.view(np.float32)


def expected_f(decision: Decision, scores: Scores, tags: Tags) -> Floats:
    """Return the expected F-beta (chips,) of tags; right only as far as the calibrated scores are probabilities."""
    calibrated = calibrate.apply(decision.calibration, scores)
    return expected.expected_f_beta(calibrated, tags, beta=decision.beta, rules=decision.rules)


def expected_f_changes(decision: Decision, scores: Scores, tags: Tags) -> Floats:
    """Return by how much the expected F-beta (chips, labels) changes if a tag is dropped, or another label added."""
    before = expected_f(decision, scores, tags)
    changes = np.zeros(tags.shape)
    for label in range(tags.shape[1]):
        changed = tags.copy()
        changed[:, label] ^= True
        changes[:, label] = expected_f(decision, scores, changed) - before
    return changes


def fit_decision(decoder: str, calibration: Calibration, scores: Scores, truth: Tags, start: Decision) -> Decision:
    """Return a decision by one decoder, fitted on scores and their truth, with the rules, beta and floors of `start`.

    Only the decoder `cuts` has anything to fit: a threshold for each label.
    """
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

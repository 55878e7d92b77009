"""Calibration: maps from scores to probabilities that agree with observed frequencies.

Every map but the softmax keeps the order of a label's scores. Fit them on out-of-fold scores. All work on log odds, for
which scores are clipped to `EDGE` and 1 - `EDGE`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Groups, Scores, Tags
from ensemble.heads.fitted import sigmoid
from ensemble.heads.platt import NewtonLimits, minimise_log_loss

EDGE = 1e-6  # least probability and least distance from 1; float32 has no steps much finer near 1
MAX_STEPS = 60  # of Newton's method and of bisection; ten do, unless scores nearly separate a label
SLOPE_RANGE = (0.02, 50.0)  # slopes are clipped to it; where scores separate a label, no slope would be steep enough
LOG_ODDS_LIMITS = NewtonLimits(MAX_STEPS, 1e-9, 0.0, 0.0, 1e-12)


@dataclass(frozen=True)
class Calibration:
    """A fitted map of score matrices.

    A label's probability is the sigmoid of slope * log odds + offset or, where there are knots (scores, probabilities),
    a linear interpolation between them. The labels of a group share one softmax instead.
    """

    kind: str  # a key of CALIBRATIONS
    slopes: Floats  # (labels,)
    offsets: Floats  # (labels,)
    knots: tuple[tuple[Floats, Floats], ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()


def apply(calibration: Calibration, scores: Scores) -> Scores:
    """Return calibrated scores (chips, labels)."""
    if scores.shape[1] != len(calibration.slopes):
        raise ValueError(f"scores have {scores.shape[1]} labels, but the calibration has {len(calibration.slopes)}.")
    if calibration.kind == "none":
        return scores
    if calibration.knots:
        columns = [np.interp(column, *knots) for column, knots in zip(scores.T, calibration.knots, strict=True)]
        return np.stack(columns, axis=1).astype(np.float32)
    odds = log_odds(scores) * calibration.slopes + calibration.offsets
    probabilities = sigmoid(odds)
    for group in map(list, calibration.groups):
        parts = np.exp(odds[:, group] - odds[:, group].max(axis=1, keepdims=True))
        probabilities[:, group] = parts / parts.sum(axis=1, keepdims=True)
    return probabilities.astype(np.float32)


def unchanged(labels: int) -> Calibration:
    """Return the calibration that leaves scores as they are."""
    return Calibration("none", np.ones(labels), np.zeros(labels))


def fit(name: str, scores: Scores, truth: Tags, groups: Groups) -> Calibration:
    """Fit the calibration `name` of `CALIBRATIONS`; exactly one label of each group holds on every chip."""
    if scores.shape != truth.shape or not scores.size:
        raise ValueError(f"scores has shape {scores.shape} but truth has {truth.shape}; both must be (chips, labels).")
    return CALIBRATIONS[name](scores, truth, groups)


def temperature(scores: Scores, truth: Tags, groups: Groups) -> Calibration:  # noqa: ARG001
    """Fit a slope for each label, the reciprocal of its temperature (Guo et al. 2017, section 4.2)."""
    slopes = [_fit_line(odds[:, None], true)[0] for odds, true in zip(log_odds(scores).T, truth.T, strict=True)]
    return Calibration("temperature", np.array(slopes), np.zeros(len(slopes)))


def platt(scores: Scores, truth: Tags, groups: Groups) -> Calibration:  # noqa: ARG001
    """Fit a slope and an offset for each label (Platt 1999)."""
    lines = [
        _fit_line(np.stack([odds, np.ones_like(odds)], axis=1), true)
        for odds, true in zip(log_odds(scores).T, truth.T, strict=True)
    ]
    slopes, offsets = np.array(lines).T
    return Calibration("platt", slopes, offsets)


def isotonic(scores: Scores, truth: Tags, groups: Groups) -> Calibration:  # noqa: ARG001
    """Fit the rising curve closest to each label's frequencies (Zadrozny and Elkan 2002), kept off 0 and 1."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415  0.1 s that only fitting should pay

    knots = []
    edge = 0.5 / (len(scores) + 1)  # as if half of one more chip differed
    for column, true in zip(scores.T, truth.T, strict=True):
        values, places, counts = np.unique(column, return_inverse=True, return_counts=True)
        rates = np.bincount(places, true) / counts
        curve = isotonic_regression(rates, weights=counts).x.clip(edge, 1 - edge)
        bends = np.ones(len(curve), np.bool_)  # a point inside a flat stretch needs no knot
        bends[1:-1] = (curve[1:-1] != curve[:-2]) | (curve[1:-1] != curve[2:])
        knots.append((values[bends].astype(np.float64), curve[bends]))
    return Calibration("isotonic", np.ones(len(knots)), np.zeros(len(knots)), tuple(knots))


def softmax(scores: Scores, truth: Tags, groups: Groups) -> Calibration:
    """Fit one slope for each group, whose labels share a softmax, and a temperature for each of the other labels.

    A group's slope is fitted on the chips that carry exactly one of its labels.
    """
    single = temperature(scores, truth, groups)
    slopes = single.slopes
    odds = log_odds(scores)
    for group in map(list, groups):
        chips = truth[:, group].sum(axis=1) == 1
        if chips.any():
            slopes[group] = _softmax_slope(odds[np.ix_(chips, group)], truth[np.ix_(chips, group)])
    return Calibration("softmax", slopes, single.offsets, groups=tuple(map(tuple, groups)))


CALIBRATIONS: dict[str, Callable[[Scores, Tags, Groups], Calibration]] = {  # the simpler first
    "none": lambda scores, truth, groups: unchanged(scores.shape[1]),
    "temperature": temperature,
    "softmax": softmax,
    "platt": platt,
    "isotonic": isotonic,
}
ORDERLY = tuple(name for name in CALIBRATIONS if name != "softmax")  # that keep the order of a label's scores


def log_odds(scores: Scores, edge: float = EDGE) -> Floats:
    """Return log(p / (1 - p)) of scores clipped to `edge` and 1 - `edge`, in float64.

    Example:
        >>> log_odds(np.float32([0, 0.5, 1]), edge=1e-3).round(3)
        array([-6.907,  0.   ,  6.907])
    """
    probabilities = np.clip(scores.astype(np.float64), edge, 1 - edge)
    odds: Floats = np.log(probabilities) - np.log1p(-probabilities)
    return odds


def _fit_line(features: Floats, true: NDArray[np.bool_]) -> Floats:
    """Return the weights of least log loss of one label, the first one (the slope) clipped to `SLOPE_RANGE`.

    The search starts at the scores as they are: a slope of 1 and an offset of 0.
    """
    start = np.eye(features.shape[1])[0]
    weights = minimise_log_loss(features, true, start, LOG_ODDS_LIMITS)
    clipped: Floats = np.append(np.clip(weights[:1], *SLOPE_RANGE), weights[1:])
    return clipped


def _softmax_slope(odds: Floats, true: Tags) -> float:
    """Return the slope of least log loss of a softmax, by bisection of the derivative, which rises."""
    low, high = np.log(SLOPE_RANGE)
    for _ in range(MAX_STEPS):
        middle = (low + high) / 2
        scaled = np.exp(middle) * odds
        parts = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        parts /= parts.sum(axis=1, keepdims=True)
        rising = (odds * (parts - true)).sum() > 0
        low, high = (low, middle) if rising else (middle, high)
    return float(np.exp((low + high) / 2))

"""Calibration: scores made into probabilities that mean what they say.

Each map but the softmax keeps the order of a label's scores. Fit them on scores of chips that the network had not
seen. All work on log odds, for which scores of 0 and 1 are taken for `EDGE` and 1 - `EDGE`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Groups, Scores, Tags
from ensemble.heads.fitted import sigmoid

EDGE = 1e-6  # near 1, float32 has no steps that are much finer
STEPS = 60  # of Newton's method; ten do, unless a label is nearly separated by its scores
SLOPES = (0.02, 50.0)  # where a slope is kept; a label that its scores separate would take any


@dataclass(frozen=True)
class Calibration:
    """A fitted map of score matrices.

    A label's probability is the sigmoid of slope * log odds + offset or, where there are knots, runs straight between
    them (scores, probabilities). The labels of a group share one softmax instead.
    """

    kind: str
    slopes: Floats  # (labels,)
    offsets: Floats  # (labels,)
    knots: tuple[tuple[Floats, Floats], ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()


def apply(calibration: Calibration, scores: Scores) -> Scores:
    """Calibrated scores, of the same shape."""
    if scores.shape[1] != len(calibration.slopes):
        raise ValueError(f"scores have {scores.shape[1]} labels, but the calibration has {len(calibration.slopes)}.")
    if calibration.kind == "none":
        return scores
    if calibration.knots:
        columns = [np.interp(column, *knots) for column, knots in zip(scores.T, calibration.knots, strict=True)]
        return np.stack(columns, axis=1).astype(np.float32)
    odds = log_odds(scores) * calibration.slopes + calibration.offsets
    made = sigmoid(odds)
    for group in map(list, calibration.groups):
        parts = np.exp(odds[:, group] - odds[:, group].max(axis=1, keepdims=True))
        made[:, group] = parts / parts.sum(axis=1, keepdims=True)
    return made.astype(np.float32)


def unchanged(labels: int) -> Calibration:
    """Scores as they are."""
    return Calibration("none", np.ones(labels), np.zeros(labels))


def fit(name: str, scores: Scores, truth: Tags, groups: Groups) -> Calibration:
    """A calibration of `CALIBRATIONS`, fitted; `groups` are columns of labels of which exactly one holds."""
    if scores.shape != truth.shape or not scores.size:
        raise ValueError(f"scores has shape {scores.shape} but truth has {truth.shape}; both must be (chips, labels).")
    return CALIBRATIONS[name](scores, truth, groups)


def temperature(scores: Scores, truth: Tags, groups: Groups) -> Calibration:  # noqa: ARG001
    """A slope for each label, the reciprocal of its temperature (Guo et al. 2017, section 4.2)."""
    slopes = [_newton(odds[:, None], true)[0] for odds, true in zip(log_odds(scores).T, truth.T, strict=True)]
    return Calibration("temperature", np.array(slopes), np.zeros(len(slopes)))


def platt(scores: Scores, truth: Tags, groups: Groups) -> Calibration:  # noqa: ARG001
    """A slope and an offset for each label (Platt 1999)."""
    pairs = [
        _newton(np.stack([odds, np.ones_like(odds)], axis=1), true)
        for odds, true in zip(log_odds(scores).T, truth.T, strict=True)
    ]
    slopes, offsets = np.array(pairs).T
    return Calibration("platt", slopes, offsets)


def isotonic(scores: Scores, truth: Tags, groups: Groups) -> Calibration:  # noqa: ARG001
    """The rising curve through each label's frequencies that fits best (Zadrozny and Elkan 2002), never 0 or 1."""
    from scipy.optimize import isotonic_regression  # noqa: PLC0415  0.1 s that only fitting should pay

    knots = []
    edge = 0.5 / (len(scores) + 1)  # as if half of one more chip differed
    for column, true in zip(scores.T, truth.T, strict=True):
        places, which, counts = np.unique(column, return_inverse=True, return_counts=True)
        rates = np.bincount(which, true) / counts
        curve = isotonic_regression(rates, weights=counts).x.clip(edge, 1 - edge)
        bend = np.ones(len(curve), np.bool_)  # inside of a flat stretch nothing bends
        bend[1:-1] = (curve[1:-1] != curve[:-2]) | (curve[1:-1] != curve[2:])
        knots.append((places[bend].astype(np.float64), curve[bend]))
    return Calibration("isotonic", np.ones(len(knots)), np.zeros(len(knots)), tuple(knots))


def softmax(scores: Scores, truth: Tags, groups: Groups) -> Calibration:
    """One slope for each group, whose labels share a softmax, fitted on the chips with one of them; else as above."""
    single = temperature(scores, truth, groups)
    slopes = single.slopes
    odds = log_odds(scores)
    for group in map(list, groups):
        one = truth[:, group].sum(axis=1) == 1
        if one.any():
            slopes[group] = _softmax_slope(odds[np.ix_(one, group)], truth[np.ix_(one, group)])
    return Calibration("softmax", slopes, single.offsets, groups=tuple(map(tuple, groups)))


CALIBRATIONS: dict[str, Callable[[Scores, Tags, Groups], Calibration]] = {  # the simpler first
    "none": lambda scores, truth, groups: unchanged(scores.shape[1]),
    "temperature": temperature,
    "softmax": softmax,
    "platt": platt,
    "isotonic": isotonic,
}


def log_odds(scores: Scores) -> Floats:
    """log(p / (1 - p)), finite."""
    kept = np.clip(scores.astype(np.float64), EDGE, 1 - EDGE)
    odds: Floats = np.log(kept) - np.log1p(-kept)
    return odds


def _newton(features: Floats, true: NDArray[np.bool_]) -> Floats:
    """Weights of least log loss by damped Newton steps, the first one (the slope) kept within `SLOPES`.

    Targets are smoothed as by Platt 1999, section 2.2, so that a label with one chip or none has an answer.
    """
    count = true.sum()
    targets = np.where(true, (count + 1) / (count + 2), 1 / (len(true) - count + 2))
    weights = np.eye(features.shape[1])[0]
    loss = _loss(features @ weights, targets)
    for _ in range(STEPS):
        chance = sigmoid(features @ weights)
        gradient = features.T @ (chance - targets)
        curvature = (features.T * (chance * (1 - chance))) @ features + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        while (after := _loss(features @ (weights - step), targets)) > loss and np.abs(step).max() > 1e-12:
            step /= 2
        if loss - after <= 1e-12 * len(true):
            break
        weights, loss = weights - step, after
    result: Floats = np.append(np.clip(weights[:1], *SLOPES), weights[1:])
    return result


def _loss(odds: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0, odds) - targets * odds).sum())


def _softmax_slope(odds: Floats, true: Tags) -> float:
    """The slope of least log loss of a softmax, by bisection of its derivative, which rises."""
    low, high = np.log(SLOPES)
    for _ in range(STEPS):
        middle = (low + high) / 2
        scaled = np.exp(middle) * odds
        parts = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        parts /= parts.sum(axis=1, keepdims=True)
        rising = (odds * (parts - true)).sum() > 0
        low, high = (low, middle) if rising else (middle, high)
    return float(np.exp((low + high) / 2))

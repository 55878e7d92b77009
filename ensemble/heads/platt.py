"""Platt scaling: decision values to probabilities by a sigmoid, and the Newton solver that fits it.

The heads and the calibrations fit by the same solver, from their own starting points and with their own limits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Tags
from ensemble.heads.fitted import rate_log_odds, sigmoid, smoothed_rates

MIN_STEP_SHARE = 1e-10  # of a Newton step; where so small a part of it does not lower the loss, nothing does


@dataclass(frozen=True)
class NewtonLimits:
    """When the Newton iteration ends, and how far each step must lower the loss.

    The two sets of limits differ for the sake of models that exist: fitting by the other's limits would change the last
    digits of stored heads and decisions.
    """

    steps: int  # at most
    damping: float  # added to the diagonal of the curvature
    sufficient_decrease: float  # share of the linear forecast by which a step must lower the loss (Armijo's rule)
    gradient: float  # stop where the largest part of the gradient is below it
    gain: float  # stop where a step lowers the loss by no more than it per chip


DECISION_VALUES = NewtonLimits(100, 1e-12, 1e-4, 1e-6, -np.inf)  # Lin et al. 2007, appendix C


def fit_sigmoid(values: Floats, truth: Tags) -> tuple[float, float]:
    """Return slope and offset of the sigmoid that turns one label's decision values (chips,) into probabilities.

    Platt 1999, by the Newton steps of Lin et al. 2007. Where the sigmoid would fall, the values are no evidence for the
    label: the slope is then 0 and the probability the label's rate.
    """
    positives = int(truth.sum())
    start = np.array([0.0, np.log((positives + 1) / (len(truth) - positives + 1))])
    features = np.stack([values, np.ones(len(values))], axis=1)
    slope, offset = minimise_log_loss(features, truth, start, DECISION_VALUES)
    if slope < 0:
        return 0.0, float(rate_log_odds(smoothed_rates(truth[:, np.newaxis]))[0])
    return float(slope), float(offset)


def minimise_log_loss(features: Floats, truth: NDArray[np.bool_], start: Floats, limits: NewtonLimits) -> Floats:
    """Return the weights of least log loss of sigmoid(features @ weights), by damped Newton steps.

    Targets are smoothed as by Platt 1999, section 2.2, so that a label on one chip or on none has a solution.

    Args:
        features: (chips, weights).
        truth: (chips,).
        start: (weights,) where the iteration starts.
        limits: when it ends.
    """
    positives = truth.sum()
    targets = np.where(truth, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))

    weights, loss = start, _log_loss(features @ start, targets)
    for _ in range(limits.steps):
        probabilities = sigmoid(features @ weights)
        gradient = features.T @ (probabilities - targets)
        if np.abs(gradient).max() < limits.gradient:
            break
        curvature = (features.T * (probabilities * (1 - probabilities))) @ features
        step = np.linalg.solve(curvature + limits.damping * np.eye(len(weights)), gradient)

        share = 1.0
        next_loss = _log_loss(features @ (weights - step), targets)
        forecast = limits.sufficient_decrease * float(gradient @ step)
        while share > MIN_STEP_SHARE and next_loss > loss - share * forecast:
            share /= 2
            next_loss = _log_loss(features @ (weights - share * step), targets)

        if loss - next_loss <= limits.gain * len(truth):
            break
        weights, loss = weights - share * step, next_loss
    return weights


def _log_loss(odds: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0, odds) - targets * odds).sum())

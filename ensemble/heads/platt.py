"""Platt's sigmoid: decision values to probabilities."""

import numpy as np

from ensemble.arrays import Floats, Tags
from ensemble.heads.fitted import sigmoid, smoothed_rates


def fit_sigmoid(values: Floats, truth: Tags) -> tuple[float, float]:
    """Slope and offset of the sigmoid that turns decision values into probabilities.

    Platt 1999, with his smoothed targets and the Newton steps of Lin et al. 2007. Where the sigmoid would fall, the
    values say nothing that can be used: the slope is then 0 and the probability the label's rate.
    """
    positives = int(truth.sum())
    negatives = len(truth) - positives
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    line = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    design = np.stack([values, np.ones(len(values))], axis=1)

    def loss(line: Floats) -> float:
        odds = design @ line
        return float((np.logaddexp(0, odds) - target * odds).sum())

    for _ in range(100):
        given = sigmoid(design @ line)
        gradient = design.T @ (given - target)
        if np.abs(gradient).max() < 1e-6:
            break
        step = np.linalg.solve(design.T @ (design * (given * (1 - given))[:, np.newaxis]) + 1e-12 * np.eye(2), gradient)
        length = 1.0
        while length > 1e-10 and loss(line - length * step) > loss(line) - 1e-4 * length * float(gradient @ step):
            length /= 2
        line = line - length * step
    if line[0] < 0:
        rate = smoothed_rates(truth[:, np.newaxis])[0]
        return 0.0, float(np.log(rate / (1 - rate)))
    return float(line[0]), float(line[1])

"""Alignment of vectors with labels: how much of a label lies along the vectors' large singular directions.

By Imani, Hu and White 2022, "Representation Alignment in Neural Networks", section 2. Gradient descent fits a linear
head along large singular directions first, so a label that is aligned with them is learnt fast.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Tags, Vectors


@dataclass(frozen=True)
class Alignment:
    """Labels in the basis of the vectors' singular directions.

    Attributes:
        singular: (directions,) singular values of the vectors, descending.
        shares: (directions, labels): the share of a label's squared length along each direction.
    """

    singular: Floats
    shares: Floats

    def curve(self) -> Floats:
        """Return the shares (directions, labels) along the first directions, cumulative; the last is R^2."""
        curve: Floats = np.cumsum(self.shares, axis=0)
        return curve

    def rate(self) -> float:
        """Return the greatest step size at which gradient descent does not swing."""
        return float(1 / self.singular[0] ** 2)

    def loss(self, rate: float, steps: int) -> Floats:
        """Return what is left (labels,) of each label's squared length after gradient descent from zero.

        The descent is on half of the squared error, w <- w - rate V'(V w - y); rate * singular^2 has to be below 2.
        """
        return self._losses(rate, np.full(self.shares.shape[1], steps, np.float64))

    def steps_to(self, share: float, rate: float, known: Floats | float = 0.0) -> Floats:
        """Return after how many steps (labels,) gradient descent has explained `share` of what it can explain.

        `known` (labels,) is the part of each label's squared length that is known without vectors, and not counted.
        """
        target = 1 - known - share * (self.shares.sum(axis=0) - known)
        low, high = np.zeros(len(target)), np.ones(len(target))
        for _ in range(MAX_DOUBLINGS):
            slow = self._losses(rate, high) > target
            if not slow.any():
                break
            high[slow] *= 2
        for _ in range(MAX_DOUBLINGS):
            middle = (low + high) / 2
            slow = self._losses(rate, middle) > target
            low, high = np.where(slow, middle, low), np.where(slow, high, middle)
        return np.ceil(high)

    def _losses(self, rate: float, steps: Floats) -> Floats:
        left = (1 - rate * self.singular[:, np.newaxis] ** 2) ** (2 * steps)
        losses: Floats = 1 - self.shares.sum(axis=0) + (left * self.shares).sum(axis=0)
        return losses


STEPS = 100  # of gradient descent, after which vectors are compared
BLOCK = 4096  # chips whose vectors are decomposed at a time
MAX_DOUBLINGS = 60  # of a number of steps: no head is trained longer


def measure_alignment(vectors: Vectors, truth: Tags) -> Alignment:
    """Return how labels, as -1 and 1, are aligned with vectors (chips, dim) that get a column of ones and unit length.

    Raises:
        ValueError: a vector is not finite.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("a vector has values that are not finite numbers.")
    labels = np.where(truth, 1.0, -1.0)
    triangle: Floats = np.zeros((0, vectors.shape[1] + 1 + labels.shape[1]))
    for first in range(0, len(vectors), BLOCK):  # the triangle of all chips, for float64 copies of few chips at a time
        block = vectors[first : first + BLOCK]
        wide = np.column_stack([block, np.ones(len(block))]).astype(np.float64)
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        rows = np.column_stack([wide, labels[first : first + BLOCK]])
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    directions = vectors.shape[1] + 1
    left, singular, _ = np.linalg.svd(triangle[:directions, :directions], full_matrices=False)
    shares = (left.T @ triangle[:directions, directions:]) ** 2 / len(truth)
    return Alignment(singular, shares)


def constant_shares(truth: Tags) -> Floats:
    """Return the share (labels,) of a label's squared length, as -1 and 1, that its rate explains."""
    shares: Floats = (2 * truth.mean(axis=0) - 1) ** 2
    return shares


def explained_shares(alignment: Alignment, truth: Tags, steps: int) -> Floats:
    """Return the share (labels,) of each label, beyond its rate, that a linear head explains after so many steps.

    A label that all chips have, or none, gets NaN.
    """
    constant = constant_shares(truth)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Floats = 1 - alignment.loss(alignment.rate(), steps) / np.where(constant < 1, 1 - constant, np.nan)
    return shares

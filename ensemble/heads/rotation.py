"""Linear heads, fitted: logistic regression, ridge and support vector machine.

All work on standardised vectors turned onto their right singular directions. That is exact, since a solution with an
L2 penalty lies in the span of the rows; it leaves no more columns than chips, and columns that are orthogonal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Tags, Vectors
from ensemble.heads.fitted import LinearHead, check_examples, smoothed_rates, standardise

INNER_FOLDS = 5  # folds inside the training chips; one of them is 20 %


@dataclass(frozen=True)
class Rotation:
    """Standardised vectors on their singular directions: `columns` = standardised @ `directions`."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    directions: Floats  # (dim, rank)
    columns: Floats  # (chips, rank)


def mean_and_spread(vectors: Vectors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each column; 1 for one that is constant up to float32's rounding."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(((vectors - mean) ** 2).mean(axis=0))
    constant = spread <= 1e-6 * np.abs(mean)
    return mean.astype(np.float32), np.where(constant, 1, spread).astype(np.float32)


def rotate(vectors: Vectors, truth: Tags) -> Rotation:
    """Return standardised vectors on their singular directions."""
    check_examples(vectors, truth)
    mean, spread = mean_and_spread(vectors)
    rows = standardise(vectors, mean, spread)
    if len(rows) > rows.shape[1]:
        squares, directions = np.linalg.eigh(rows.T @ rows)
        lengths = np.sqrt(np.maximum(squares, 0))
    else:
        _, lengths, turned = np.linalg.svd(rows, full_matrices=False)
        directions = turned.T
    kept = lengths > 1e-5 * np.sqrt(rows.size)  # what is shorter is float32's rounding of mean and spread
    return Rotation(mean, spread, directions[:, kept], rows @ directions[:, kept])


def rotated_head(turned: Rotation, truth: Tags, labels: NDArray[np.intp], weights: Floats, bias: Floats) -> LinearHead:
    """The head with the weights of `labels` on the turned columns; the other labels keep their rates."""
    rates = smoothed_rates(truth)
    every = np.log(rates / (1 - rates))
    every[labels] = bias
    back = np.zeros((len(turned.mean), truth.shape[1]))
    back[:, labels] = turned.directions @ weights
    return LinearHead(turned.mean, turned.spread, back.astype(np.float32), every.astype(np.float32))


def sigmoid_loss(odds: Floats, truth: Tags) -> float:
    """Return the log loss of log odds, summed over chips and labels."""
    return float(np.logaddexp(0, np.where(truth, -odds, odds)).sum())

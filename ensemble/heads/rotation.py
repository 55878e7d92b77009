"""Standardised vectors rotated onto their right singular directions, on which all linear heads are fitted.

This is exact, since a solution with an L2 penalty lies in the span of the rows. It leaves at most as many columns as
chips, and makes them orthogonal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Tags, Vectors
from ensemble.heads.fitted import LinearHead, check_examples, rate_log_odds, smoothed_rates, standardise

INNER_FOLDS = 5  # folds within the training chips, for the choice of a strength; one of them is 20 %
MIN_SPREAD_SHARE = 1e-6  # of a column's mean; below it the spread is float32's rounding
MIN_LENGTH_SHARE = 1e-5  # of a direction, over the square root of the matrix's size; below it likewise


@dataclass(frozen=True)
class Rotation:
    """Standardised vectors on their singular directions: `columns` = standardised @ `directions`."""

    mean: NDArray[np.float32]  # (dim,)
    spread: NDArray[np.float32]  # (dim,)
    directions: Floats  # (dim, rank)
    columns: Floats  # (chips, rank)


def mean_and_spread(vectors: Vectors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each column (dim,); 1 for a column that is constant."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(((vectors - mean) ** 2).mean(axis=0))
    constant = spread <= MIN_SPREAD_SHARE * np.abs(mean)
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
        _, lengths, transposed = np.linalg.svd(rows, full_matrices=False)
        directions = transposed.T
    long = lengths > MIN_LENGTH_SHARE * np.sqrt(rows.size)
    return Rotation(mean, spread, directions[:, long], rows @ directions[:, long])


def rotated_head(
    rotation: Rotation, truth: Tags, labels: NDArray[np.intp], weights: Floats, bias: Floats
) -> LinearHead:
    """Return the head that has `weights` (rank, len(labels)) on the rotated columns; other labels keep their rates."""
    biases = rate_log_odds(smoothed_rates(truth))
    biases[labels] = bias
    unrotated = np.zeros((len(rotation.mean), truth.shape[1]))
    unrotated[:, labels] = rotation.directions @ weights
    return LinearHead(rotation.mean, rotation.spread, unrotated.astype(np.float32), biases.astype(np.float32))


def sigmoid_loss(odds: Floats, truth: Tags) -> float:
    """Return the log loss of log odds, summed over chips and labels."""
    return float(np.logaddexp(0, np.where(truth, -odds, odds)).sum())

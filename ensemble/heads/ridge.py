"""Ridge regression, with each label's strength chosen by leave-one-out error."""

import numpy as np

from ensemble.arrays import Tags, Vectors
from ensemble.heads.fitted import LinearHead, varying_labels
from ensemble.heads.platt import fit_sigmoid
from ensemble.heads.rotation import rotate, rotated_head

RIDGE_STRENGTHS = np.geomspace(1e4, 1e-4, 41)  # over the mean squared length of the rotated columns


def fit_ridge(vectors: Vectors, truth: Tags, seed: int) -> LinearHead:  # noqa: ARG001  it has no randomness
    """Return a least squares head on targets of 0 and 1, under one sigmoid for each label (Platt 1999).

    Leave-one-out errors choose each label's strength, and leave-one-out values fit its sigmoid. They come in closed
    form: the residual over 1 - leverage (Hastie et al. 2009, equation 7.64).
    """
    rotation = rotate(vectors, truth)
    columns = rotation.columns
    labels = np.flatnonzero(varying_labels(truth))
    weights, bias = np.zeros((columns.shape[1], len(labels))), np.zeros(len(labels))
    if not columns.size:
        return rotated_head(rotation, truth, labels[:0], weights[:, :0], bias[:0])

    targets = truth[:, labels].astype(np.float64)
    mean = targets.mean(axis=0)
    squares = (columns**2).sum(axis=0)
    products = columns.T @ (targets - mean)
    least_errors, values = np.full(len(labels), np.inf), np.zeros(targets.shape)
    for strength in RIDGE_STRENGTHS * squares.mean():
        coefficients = products / (squares + strength)[:, np.newaxis]
        leverage = 1 / len(truth) + columns**2 @ (1 / (squares + strength))
        residuals = targets - mean - columns @ coefficients
        leave_one_out = targets - residuals / np.maximum(1 - leverage, 1e-9)[:, np.newaxis]
        errors = ((targets - leave_one_out) ** 2).sum(axis=0)

        better = errors < least_errors
        weights[:, better], values[:, better] = coefficients[:, better], leave_one_out[:, better]
        least_errors[better] = errors[better]

    for place, label in enumerate(labels):
        slope, offset = fit_sigmoid(values[:, place], truth[:, label])
        weights[:, place] *= slope
        bias[place] = slope * mean[place] + offset
    return rotated_head(rotation, truth, labels, weights, bias)

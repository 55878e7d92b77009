"""Ridge regression, with each label's strength chosen by leave-one-out error."""

import numpy as np

from ensemble.arrays import Tags, Vectors
from ensemble.heads.fitted import LinearHead, varying_labels
from ensemble.heads.platt import fit_sigmoid
from ensemble.heads.rotation import rotate, rotated_head

RIDGE_STRENGTHS = np.geomspace(1e4, 1e-4, 41)  # of ridge strengths, over the mean square of the turned columns' lengths


def fit_ridge(vectors: Vectors, truth: Tags, seed: int) -> LinearHead:  # noqa: ARG001  no chance in it
    """Least squares on 0 and 1; each label's strength by leave-one-out error, its sigmoid by leave-one-out values.

    Leave-one-out in closed form: the residual over 1 - leverage (Hastie et al. 2009, equation 7.64).
    """
    turned = rotate(vectors, truth)
    labels = np.flatnonzero(varying_labels(truth))
    weights, bias = np.zeros((turned.columns.shape[1], len(labels))), np.zeros(len(labels))
    if not turned.columns.size:
        return rotated_head(turned, truth, labels[:0], weights[:, :0], bias[:0])
    target = truth[:, labels].astype(np.float64)
    mean = target.mean(axis=0)
    squares = (turned.columns**2).sum(axis=0)
    products = turned.columns.T @ (target - mean)
    best = np.full(len(labels), np.inf)
    for strength in RIDGE_STRENGTHS * squares.mean():
        coefficients = products / (squares + strength)[:, np.newaxis]
        leverage = 1 / len(truth) + turned.columns**2 @ (1 / (squares + strength))
        residual = target - mean - turned.columns @ coefficients
        alone = target - residual / np.maximum(1 - leverage, 1e-9)[:, np.newaxis]
        error = ((target - alone) ** 2).sum(axis=0)
        for place in np.flatnonzero(error < best):
            slope, offset = fit_sigmoid(alone[:, place], truth[:, labels[place]])
            weights[:, place] = slope * coefficients[:, place]
            bias[place] = slope * mean[place] + offset
        best = np.minimum(best, error)
    return rotated_head(turned, truth, labels, weights, bias)

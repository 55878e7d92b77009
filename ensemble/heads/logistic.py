"""L2-regularised logistic regression, with one strength for all labels."""

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ensemble.arrays import Floats, Tags, Vectors
from ensemble.heads.fitted import LinearHead, rate_log_odds, sigmoid, smoothed_rates, varying_labels
from ensemble.heads.rotation import INNER_FOLDS, rotate, rotated_head, sigmoid_loss
from ensemble.metrics import folds

STRENGTHS = np.geomspace(1e5, 1e-6, 45)  # of L2, strongest first (Kornblith et al. 2019, appendix A.3)
# Multiplications of one matrix product; BLAS threads would wait longer for each other than a smaller one takes.
MAX_SINGLE_THREAD_PRODUCTS = 1e8
SOLVER_OPTIONS = {"maxiter": 300, "maxfun": 400, "ftol": 1e-9, "gtol": 1e-4}


def fit_logistic(vectors: Vectors, truth: Tags, seed: int) -> LinearHead:
    """Return an L2 logistic regression on all chips, with the strength that `choose_strength` returns."""
    rotation = rotate(vectors, truth)
    labels = np.flatnonzero(varying_labels(truth))
    weights, bias = np.zeros((rotation.columns.shape[1], len(labels))), np.zeros(len(labels))
    if len(labels):
        strength = choose_strength(rotation.columns, truth[:, labels], seed)
        weights, bias = logistic_path(rotation.columns, truth[:, labels], [strength])[0]
    return rotated_head(rotation, truth, labels, weights, bias)


def choose_strength(columns: Floats, truth: Tags, seed: int) -> float:
    """Return the strength of `STRENGTHS` with the least log loss on a held-out fifth.

    Only labels that vary in the other four fifths count.
    """
    train, held_out = folds.hold_out(truth, folds=INNER_FOLDS, seed=seed)
    labels = varying_labels(truth[train])
    if not labels.any():
        return float(STRENGTHS[0])
    path = logistic_path(columns[train], truth[np.ix_(train, labels)], STRENGTHS)
    held_out_truth = truth[np.ix_(held_out, labels)]
    losses = [sigmoid_loss(columns[held_out] @ weights + bias, held_out_truth) for weights, bias in path]
    return float(STRENGTHS[int(np.argmin(losses))])


def logistic_path(columns: Floats, truth: Tags, strengths: list[float] | Floats) -> list[tuple[Floats, Floats]]:
    """Return weights and biases that minimise log loss, summed over chips, + strength / 2 * |weights|^2.

    One L-BFGS run solves all labels, and each strength starts where the last one ended. The variables of the solver are
    the weights over a diagonal estimate of the curvature, which is close since the columns are nearly orthogonal: some
    20 steps suffice.

    Args:
        columns: (chips, columns), nearly orthogonal.
        truth: (chips, labels).
        strengths: of the penalty, strongest first.

    Returns:
        For each strength, weights (columns, labels) and biases (labels,).
    """
    design = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    squares = (design**2).sum(axis=0)[:, np.newaxis]
    sign = np.where(truth, 1.0, -1.0)
    weights = np.zeros((design.shape[1], truth.shape[1]))
    weights[-1] = rate_log_odds(smoothed_rates(truth))

    path = []
    for strength in strengths:
        penalty = np.full(squares.shape, strength)
        penalty[-1] = 0  # the bias
        probabilities = sigmoid(design @ weights)
        curvature = (probabilities * (1 - probabilities)).mean(axis=0)
        scale = 1 / np.sqrt(curvature * squares + penalty + 1e-12)

        def objective(flat: Floats, penalty: Floats = penalty, scale: Floats = scale) -> tuple[float, Floats]:
            weights = flat.reshape(scale.shape) * scale
            margins = sign * (design @ weights)
            value = np.logaddexp(0, -margins).sum() + 0.5 * (penalty * weights**2).sum()
            slope = design.T @ (-sign * sigmoid(-margins)) + penalty * weights
            return float(value), (slope * scale).ravel()

        start = (weights / scale).ravel()
        with threadpool_limits(1 if design.size * truth.shape[1] < MAX_SINGLE_THREAD_PRODUCTS else None, "blas"):
            result = minimize(objective, start, jac=True, method="L-BFGS-B", options=SOLVER_OPTIONS)
        weights = result.x.reshape(scale.shape) * scale
        path.append((weights[:-1], weights[-1]))
    return path

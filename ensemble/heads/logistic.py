"""L2-regularised logistic regression, with one strength for all labels."""

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from ensemble.arrays import Floats, Tags, Vectors
from ensemble.heads.fitted import LinearHead, sigmoid, smoothed_rates, varying_labels
from ensemble.heads.rotation import INNER_FOLDS, rotate, rotated_head, sigmoid_loss
from ensemble.metrics import folds

STRENGTHS = np.geomspace(1e5, 1e-6, 45)  # of L2 strengths, strongest first (Kornblith et al. 2019, appendix A.3)
MAX_SINGLE_THREAD_PRODUCTS = (
    1e8  # multiplications; on a busy machine BLAS threads wait longer for each other than such a product takes
)


def fit_logistic(vectors: Vectors, truth: Tags, seed: int) -> LinearHead:
    """L2 logistic regression; one strength for all labels, by the log loss on a held-out fifth; then on all chips."""
    turned = rotate(vectors, truth)
    labels = np.flatnonzero(varying_labels(truth))
    weights, bias = np.zeros((turned.columns.shape[1], len(labels))), np.zeros(len(labels))
    if len(labels):
        strength = _strength(turned.columns, truth[:, labels], seed)
        weights, bias = logistic_path(turned.columns, truth[:, labels], [strength])[0]
    return rotated_head(turned, truth, labels, weights, bias)


def logistic_path(columns: Floats, truth: Tags, strengths: list[float] | Floats) -> list[tuple[Floats, Floats]]:
    """Weights and biases that minimise log loss, summed over chips, + strength / 2 * |weights|^2, for each strength.

    One L-BFGS run serves all labels, and each starts where the last one ended. Its variables are the weights over a
    diagonal guess of the curvature, which is close since the columns are nearly orthogonal: some 20 steps suffice.
    """
    rates = smoothed_rates(truth)
    design = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    squares = (design**2).sum(axis=0)[:, np.newaxis]
    sign = np.where(truth, 1.0, -1.0)
    weights = np.zeros((design.shape[1], truth.shape[1]))
    weights[-1] = np.log(rates / (1 - rates))
    found = []
    for strength in strengths:
        penalty = np.full(squares.shape, strength)
        penalty[-1] = 0
        given = sigmoid(design @ weights)
        bend = (given * (1 - given)).mean(axis=0)
        scale = 1 / np.sqrt(bend * squares + penalty + 1e-12)

        def objective(flat: Floats, penalty: Floats = penalty, scale: Floats = scale) -> tuple[float, Floats]:
            weights = flat.reshape(scale.shape) * scale
            margins = sign * (design @ weights)
            value = np.logaddexp(0, -margins).sum() + 0.5 * (penalty * weights**2).sum()
            slope = design.T @ (-sign * sigmoid(-margins)) + penalty * weights
            return float(value), (slope * scale).ravel()

        options = {"maxiter": 300, "maxfun": 400, "ftol": 1e-9, "gtol": 1e-4}
        start = (weights / scale).ravel()
        with threadpool_limits(1 if design.size * truth.shape[1] < MAX_SINGLE_THREAD_PRODUCTS else None, "blas"):
            result = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
        weights = result.x.reshape(scale.shape) * scale
        found.append((weights[:-1], weights[-1]))
    return found


def _strength(columns: Floats, truth: Tags, seed: int) -> float:
    """The strength of `PATH` with the least log loss on a held-out fifth, over labels that vary in the rest of it."""
    fold = folds.stratify(truth, folds=min(INNER_FOLDS, len(truth)), seed=seed)
    train, held = fold != 0, fold == 0
    labels = varying_labels(truth[train])
    if not labels.any():
        return float(STRENGTHS[0])
    path = logistic_path(columns[train], truth[np.ix_(train, labels)], STRENGTHS)
    losses = [sigmoid_loss(columns[held] @ weights + bias, truth[np.ix_(held, labels)]) for weights, bias in path]
    return float(STRENGTHS[int(np.argmin(losses))])

"""Linear heads, fitted: logistic regression, ridge and support vector machine.

All work on standardised vectors turned onto their right singular directions. That is exact, since a solution with an
L2 penalty lies in the span of the rows; it leaves no more columns than chips, and columns that are orthogonal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from ensemble import fitted, folds

Vectors = NDArray[np.float32]  # (chips, dim)
Tags = NDArray[np.bool_]  # (chips, labels)
Floats = NDArray[np.float64]

PATH = np.geomspace(1e5, 1e-6, 45)  # of L2 strengths, strongest first (Kornblith et al. 2019, appendix A.3)
RIDGES = np.geomspace(1e4, 1e-4, 41)  # of ridge strengths, over the mean square of the turned columns' lengths
MARGINS = (0.1, 1.0, 10.0)  # of the margin's price, over 1 / mean squared length, the default of Joachims' SVMlight
SMALL = 1e8  # multiplications; on a busy machine BLAS threads wait longer for each other than such a product takes
INNER = 5  # folds inside the training chips; one of them is 20 %


@dataclass(frozen=True)
class Turned:
    """Standardised vectors on their singular directions: `columns` = standardised @ `directions`."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    directions: Floats  # (dim, rank)
    columns: Floats  # (chips, rank)


def logistic(vectors: Vectors, truth: Tags, seed: int) -> fitted.Linear:
    """L2 logistic regression; one strength for all labels, by the log loss on a held-out fifth; then on all chips."""
    turned = _turn(vectors, truth)
    labels = np.flatnonzero(fitted.varied(truth))
    weights, bias = np.zeros((turned.columns.shape[1], len(labels))), np.zeros(len(labels))
    if len(labels):
        strength = _strength(turned.columns, truth[:, labels], seed)
        weights, bias = logistic_path(turned.columns, truth[:, labels], [strength])[0]
    return _head(turned, truth, labels, weights, bias)


def ridge(vectors: Vectors, truth: Tags, seed: int) -> fitted.Linear:  # noqa: ARG001  no chance in it
    """Least squares on 0 and 1; each label's strength by leave-one-out error, its sigmoid by leave-one-out values.

    Leave-one-out in closed form: the residual over 1 - leverage (Hastie et al. 2009, equation 7.64).
    """
    turned = _turn(vectors, truth)
    labels = np.flatnonzero(fitted.varied(truth))
    weights, bias = np.zeros((turned.columns.shape[1], len(labels))), np.zeros(len(labels))
    if not turned.columns.size:
        return _head(turned, truth, labels[:0], weights[:, :0], bias[:0])
    target = truth[:, labels].astype(np.float64)
    mean = target.mean(axis=0)
    squares = (turned.columns**2).sum(axis=0)
    products = turned.columns.T @ (target - mean)
    best = np.full(len(labels), np.inf)
    for strength in RIDGES * squares.mean():
        coefficients = products / (squares + strength)[:, np.newaxis]
        leverage = 1 / len(truth) + turned.columns**2 @ (1 / (squares + strength))
        residual = target - mean - turned.columns @ coefficients
        alone = target - residual / np.maximum(1 - leverage, 1e-9)[:, np.newaxis]
        error = ((target - alone) ** 2).sum(axis=0)
        for place in np.flatnonzero(error < best):
            slope, offset = platt(alone[:, place], truth[:, labels[place]])
            weights[:, place] = slope * coefficients[:, place]
            bias[place] = slope * mean[place] + offset
        best = np.minimum(best, error)
    return _head(turned, truth, labels, weights, bias)


def svm(vectors: Vectors, truth: Tags, seed: int) -> fitted.Linear:
    """A linear support vector machine a label; its margin's price and its sigmoid by inner out-of-fold values."""
    turned = _turn(vectors, truth)
    labels = np.flatnonzero(fitted.varied(truth))
    weights, bias = np.zeros((turned.columns.shape[1], len(labels))), np.zeros(len(labels))
    if not turned.columns.size:
        return _head(turned, truth, labels[:0], weights[:, :0], bias[:0])
    fold = folds.stratify(truth, folds=min(INNER, len(truth)), seed=seed)
    length = float((turned.columns**2).sum(axis=1).mean())
    for place, label in enumerate(labels):
        trials = []
        for price in MARGINS:
            values = np.empty(len(truth))
            for number in range(int(fold.max()) + 1):
                train, held = fold != number, fold == number
                machine = _margin(turned.columns[train], truth[train, label], price / length, length)
                values[held] = turned.columns[held] @ machine[:-1] + machine[-1]
            slope, offset = platt(values, truth[:, label])
            trials.append((_log_loss(slope * values + offset, truth[:, label]), price, slope, offset))
        _, price, slope, offset = min(trials)
        machine = slope * _margin(turned.columns, truth[:, label], price / length, length)
        weights[:, place], bias[place] = machine[:-1], machine[-1] + offset
    return _head(turned, truth, labels, weights, bias)


def logistic_path(columns: Floats, truth: Tags, strengths: list[float] | Floats) -> list[tuple[Floats, Floats]]:
    """Weights and biases that minimise log loss, summed over chips, + strength / 2 * |weights|^2, for each strength.

    One L-BFGS run serves all labels, and each starts where the last one ended. Its variables are the weights over a
    diagonal guess of the curvature, which is close since the columns are nearly orthogonal: some 20 steps suffice.
    """
    rates = fitted.smoothed_rates(truth)
    design = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    squares = (design**2).sum(axis=0)[:, np.newaxis]
    sign = np.where(truth, 1.0, -1.0)
    weights = np.zeros((design.shape[1], truth.shape[1]))
    weights[-1] = np.log(rates / (1 - rates))
    found = []
    for strength in strengths:
        penalty = np.full(squares.shape, strength)
        penalty[-1] = 0
        given = fitted.sigmoid(design @ weights)
        bend = (given * (1 - given)).mean(axis=0)
        scale = 1 / np.sqrt(bend * squares + penalty + 1e-12)

        def objective(flat: Floats, penalty: Floats = penalty, scale: Floats = scale) -> tuple[float, Floats]:
            weights = flat.reshape(scale.shape) * scale
            margins = sign * (design @ weights)
            value = np.logaddexp(0, -margins).sum() + 0.5 * (penalty * weights**2).sum()
            slope = design.T @ (-sign * fitted.sigmoid(-margins)) + penalty * weights
            return float(value), (slope * scale).ravel()

        options = {"maxiter": 300, "maxfun": 400, "ftol": 1e-9, "gtol": 1e-4}
        start = (weights / scale).ravel()
        with threadpool_limits(1 if design.size * truth.shape[1] < SMALL else None, "blas"):
            result = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
        weights = result.x.reshape(scale.shape) * scale
        found.append((weights[:-1], weights[-1]))
    return found


def platt(values: Floats, truth: Tags) -> tuple[float, float]:
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
        given = fitted.sigmoid(design @ line)
        gradient = design.T @ (given - target)
        if np.abs(gradient).max() < 1e-6:
            break
        step = np.linalg.solve(design.T @ (design * (given * (1 - given))[:, np.newaxis]) + 1e-12 * np.eye(2), gradient)
        length = 1.0
        while length > 1e-10 and loss(line - length * step) > loss(line) - 1e-4 * length * float(gradient @ step):
            length /= 2
        line = line - length * step
    if line[0] < 0:
        rate = fitted.smoothed_rates(truth[:, np.newaxis])[0]
        return 0.0, float(np.log(rate / (1 - rate)))
    return float(line[0]), float(line[1])


def spread_of(vectors: Vectors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each column; 1 for one that is constant up to float32's rounding."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(((vectors - mean) ** 2).mean(axis=0))
    constant = spread <= 1e-6 * np.abs(mean)
    return mean.astype(np.float32), np.where(constant, 1, spread).astype(np.float32)


def _turn(vectors: Vectors, truth: Tags) -> Turned:
    fitted.check_examples(vectors, truth)
    mean, spread = spread_of(vectors)
    rows = fitted.standardise(vectors, mean, spread)
    if len(rows) > rows.shape[1]:
        squares, directions = np.linalg.eigh(rows.T @ rows)
        lengths = np.sqrt(np.maximum(squares, 0))
    else:
        _, lengths, turned = np.linalg.svd(rows, full_matrices=False)
        directions = turned.T
    kept = lengths > 1e-5 * np.sqrt(rows.size)  # what is shorter is float32's rounding of mean and spread
    return Turned(mean, spread, directions[:, kept], rows @ directions[:, kept])


def _head(turned: Turned, truth: Tags, labels: NDArray[np.intp], weights: Floats, bias: Floats) -> fitted.Linear:
    """The head with the weights of `labels` on the turned columns; the other labels keep their rates."""
    rates = fitted.smoothed_rates(truth)
    every = np.log(rates / (1 - rates))
    every[labels] = bias
    back = np.zeros((len(turned.mean), truth.shape[1]))
    back[:, labels] = turned.directions @ weights
    return fitted.Linear(turned.mean, turned.spread, back.astype(np.float32), every.astype(np.float32))


def _strength(columns: Floats, truth: Tags, seed: int) -> float:
    """The strength of `PATH` with the least log loss on a held-out fifth, over labels that vary in the rest of it."""
    fold = folds.stratify(truth, folds=min(INNER, len(truth)), seed=seed)
    train, held = fold != 0, fold == 0
    labels = fitted.varied(truth[train])
    if not labels.any():
        return float(PATH[0])
    path = logistic_path(columns[train], truth[np.ix_(train, labels)], PATH)
    losses = [_log_loss(columns[held] @ weights + bias, truth[np.ix_(held, labels)]) for weights, bias in path]
    return float(PATH[int(np.argmin(losses))])


def _margin(columns: Floats, truth: Tags, price: float, length: float) -> Floats:
    """Weights and, last, the bias of one machine; -1 or 1 for everything where all or no chips carry the label."""
    if truth.all() or not truth.any():
        return np.append(np.zeros(columns.shape[1]), 1.0 if truth.all() else -1.0)
    # The bias is penalised too, which the scale of its column makes light.
    machine = LinearSVC(C=price, dual=False, intercept_scaling=max(1.0, length**0.5), tol=1e-3, max_iter=10_000)
    machine.fit(columns, truth)
    return np.append(machine.coef_[0], machine.intercept_)


def _log_loss(odds: Floats, truth: Tags) -> float:
    return float(np.logaddexp(0, np.where(truth, -odds, odds)).sum())

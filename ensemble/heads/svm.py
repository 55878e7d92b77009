"""Linear support vector machines, one a label."""

import numpy as np
from sklearn.svm import LinearSVC

from ensemble.arrays import Floats, Tags, Vectors
from ensemble.heads.fitted import LinearHead, varying_labels
from ensemble.heads.platt import fit_sigmoid
from ensemble.heads.rotation import INNER_FOLDS, rotate, rotated_head, sigmoid_loss
from ensemble.metrics import folds

MARGIN_PRICES = (
    0.1,
    1.0,
    10.0,
)  # of the margin's price, over 1 / mean squared length, the default of Joachims' SVMlight


def fit_svm(vectors: Vectors, truth: Tags, seed: int) -> LinearHead:
    """A linear support vector machine a label; its margin's price and its sigmoid by inner out-of-fold values."""
    turned = rotate(vectors, truth)
    labels = np.flatnonzero(varying_labels(truth))
    weights, bias = np.zeros((turned.columns.shape[1], len(labels))), np.zeros(len(labels))
    if not turned.columns.size:
        return rotated_head(turned, truth, labels[:0], weights[:, :0], bias[:0])
    fold = folds.stratify(truth, folds=min(INNER_FOLDS, len(truth)), seed=seed)
    length = float((turned.columns**2).sum(axis=1).mean())
    for place, label in enumerate(labels):
        trials = []
        for price in MARGIN_PRICES:
            values = np.empty(len(truth))
            for number in range(int(fold.max()) + 1):
                train, held = fold != number, fold == number
                machine = _margin(turned.columns[train], truth[train, label], price / length, length)
                values[held] = turned.columns[held] @ machine[:-1] + machine[-1]
            slope, offset = fit_sigmoid(values, truth[:, label])
            trials.append((sigmoid_loss(slope * values + offset, truth[:, label]), price, slope, offset))
        _, price, slope, offset = min(trials)
        machine = slope * _margin(turned.columns, truth[:, label], price / length, length)
        weights[:, place], bias[place] = machine[:-1], machine[-1] + offset
    return rotated_head(turned, truth, labels, weights, bias)


def _margin(columns: Floats, truth: Tags, price: float, length: float) -> Floats:
    """Weights and, last, the bias of one machine; -1 or 1 for everything where all or no chips carry the label."""
    if truth.all() or not truth.any():
        return np.append(np.zeros(columns.shape[1]), 1.0 if truth.all() else -1.0)
    # The bias is penalised too, which the scale of its column makes light.
    machine = LinearSVC(C=price, dual=False, intercept_scaling=max(1.0, length**0.5), tol=1e-3, max_iter=10_000)
    machine.fit(columns, truth)
    return np.append(machine.coef_[0], machine.intercept_)

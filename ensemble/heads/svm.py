"""Linear support vector machines, one for each label."""

import numpy as np
from sklearn.svm import LinearSVC

from ensemble.arrays import Floats, Rows, Tags, Vectors
from ensemble.heads.fitted import LinearHead, varying_labels
from ensemble.heads.platt import fit_sigmoid
from ensemble.heads.rotation import INNER_FOLDS, rotate, rotated_head, sigmoid_loss
from ensemble.metrics import folds

MARGIN_PRICES = (0.1, 1.0, 10.0)  # of C, over 1 / mean squared length, the default of Joachims' SVMlight


def fit_svm(vectors: Vectors, truth: Tags, seed: int) -> LinearHead:
    """Return one linear support vector machine for each label; out-of-fold values choose its C and fit its sigmoid."""
    rotation = rotate(vectors, truth)
    columns = rotation.columns
    labels = np.flatnonzero(varying_labels(truth))
    weights, bias = np.zeros((columns.shape[1], len(labels))), np.zeros(len(labels))
    if not columns.size:
        return rotated_head(rotation, truth, labels[:0], weights[:, :0], bias[:0])

    fold = folds.stratify(truth, folds=min(INNER_FOLDS, len(truth)), seed=seed)
    length = float((columns**2).sum(axis=1).mean())
    for place, label in enumerate(labels.tolist()):
        trials = []
        for price in MARGIN_PRICES:

            def decision_values(train: Rows, held_out: Rows, label: int = label, price: float = price) -> Floats:
                machine = _fit_machine(columns[train], truth[train, label], price / length, length)
                values: Floats = columns[held_out] @ machine[:-1] + machine[-1]
                return values

            values = folds.out_of_fold(decision_values, fold)
            slope, offset = fit_sigmoid(values, truth[:, label])
            trials.append((sigmoid_loss(slope * values + offset, truth[:, label]), price, slope, offset))

        _, price, slope, offset = min(trials)
        machine = slope * _fit_machine(columns, truth[:, label], price / length, length)
        weights[:, place], bias[place] = machine[:-1], machine[-1] + offset
    return rotated_head(rotation, truth, labels, weights, bias)


def _fit_machine(columns: Floats, truth: Tags, price: float, length: float) -> Floats:
    """Return the weights and, last, the bias of one machine; 1 or -1 for all chips where all or none carry it."""
    if truth.all() or not truth.any():
        return np.append(np.zeros(columns.shape[1]), 1.0 if truth.all() else -1.0)
    # LinearSVC penalises the bias too; a large scale of its column makes this penalty small.
    machine = LinearSVC(C=price, dual=False, intercept_scaling=max(1.0, length**0.5), tol=1e-3, max_iter=10_000)
    machine.fit(columns, truth)
    return np.append(machine.coef_[0], machine.intercept_)

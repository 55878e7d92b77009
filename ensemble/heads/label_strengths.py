"""L2 logistic regression with a strength for each label: Newton's method along a path of strengths.

Unlike in `logistic`, where a few hundred steps of one solver serve all labels, every fit here has converged, also where
the penalty is weak and the labels are separable. So it measures backbones (Kornblith et al. 2019), but its time grows
with the cube of the number of chips.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from ensemble.arrays import Counts, Floats, Rows, Tags, Vectors
from ensemble.heads.fitted import LinearHead, rate_log_odds, smoothed_rates, varying_labels
from ensemble.heads.logistic import STRENGTHS
from ensemble.heads.rotation import INNER_FOLDS, rotate, rotated_head, sigmoid_loss
from ensemble.metrics import folds

MAX_STEPS = 100  # of Newton's method; far more than any fit needs
MIN_STEP_SHARE = 2**-20  # of a Newton step; where so small a part of it does not lower the loss, nothing does
# The greatest change of a chip's log odds by the last step, over the greatest of them; the error that is left is of the
# order of its square.
TOLERANCE = 1e-4
MAX_LOG_ODDS = 600.0  # up to which exp(log odds / 2) and its square are finite


@dataclass(frozen=True)
class LogisticPath:
    """The fits of one label, one row a strength.

    `steps` counts the steps of Newton's method.
    """

    weights: Floats  # (strengths, columns)
    bias: Floats  # (strengths,)
    steps: Counts  # (strengths,)


@dataclass(frozen=True)
class _Fit:
    """A fit by its dual weights (chips,): weights = columns.T @ dual; `odds` (chips,) = kernel @ dual + bias."""

    dual: Floats
    bias: float
    odds: Floats


def fit_label_strengths(vectors: Vectors, truth: Tags, seed: int, *, jobs: int = 1) -> LinearHead:
    """Return an L2 logistic regression on all chips, of each label with the strength of least held-out log loss.

    The log loss is that of a stratified fifth of the chips along `STRENGTHS` (Kornblith et al. 2019, appendix A.3). A
    label that does not vary in the other four fifths gets the strongest; one that all or no chips carry keeps its rate.

    Args:
        vectors: (chips, dim).
        truth: (chips, labels).
        seed: of the fifth.
        jobs: threads.
    """
    labels = np.flatnonzero(varying_labels(truth))
    train, held_out = folds.hold_out(truth, folds=INNER_FOLDS, seed=seed)
    rotation = rotate(vectors, truth)

    def fit(label: int) -> tuple[Floats, float]:
        strength = _choose_strength(rotation.columns, truth[:, label], train, held_out)
        path = logistic_path(rotation.columns, truth[:, label], np.array([strength]))
        return path.weights[0], float(path.bias[0])

    weights, bias = np.zeros((rotation.columns.shape[1], len(labels))), np.zeros(len(labels))
    # Several threads of BLAS wait longer for each other than they save at some hundred chips.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(jobs) as pool:
        for column, (direction, offset) in enumerate(pool.map(fit, labels)):
            weights[:, column], bias[column] = direction, offset
    return rotated_head(rotation, truth, labels, weights, bias)


def _choose_strength(columns: Floats, carries: NDArray[np.bool_], train: Rows, held_out: Rows) -> float:
    """Return the strength of `STRENGTHS` with the least log loss on the held-out chips; of equal ones the strongest."""
    if not varying_labels(carries[train, np.newaxis]).any():
        return float(STRENGTHS[0])
    path = logistic_path(columns[train], carries[train], STRENGTHS)
    odds = columns[held_out] @ path.weights.T + path.bias
    losses = [sigmoid_loss(column, carries[held_out]) for column in odds.T]
    return float(STRENGTHS[int(np.argmin(losses))])


def logistic_path(columns: Floats, carries: NDArray[np.bool_], strengths: Floats, *, warm: bool = True) -> LogisticPath:
    """Return the weights and biases that minimise log loss, summed over chips, + strength / 2 * |weights|^2.

    Each step solves a weighted ridge regression in the space of the chips (Rasmussen and Williams 2006, algorithm 3.1,
    with a bias).

    Args:
        columns: (chips, columns).
        carries: (chips,) whether each chip carries the label; both must occur.
        strengths: of the penalty, strongest first.
        warm: start at the weights of the last strength instead of 0.
    """
    kernel = columns @ columns.T
    bias = float(rate_log_odds(smoothed_rates(carries[:, np.newaxis]))[0])
    zero = _Fit(np.zeros(len(columns)), bias, np.full(len(columns), bias))
    fit, fits, steps = zero, [], []
    for strength in strengths:
        fit, count = _minimise(kernel, carries, float(strength), fit if warm else zero)
        fits.append(fit)
        steps.append(count)
    weights = np.stack([columns.T @ fit.dual for fit in fits])
    return LogisticPath(weights, np.array([fit.bias for fit in fits]), np.array(steps))


def _minimise(kernel: Floats, carries: NDArray[np.bool_], strength: float, start: _Fit) -> tuple[_Fit, int]:
    """Return the minimum for one strength, and the number of steps to it."""
    fit, loss = start, _loss(start, carries, strength)
    for count in range(1, MAX_STEPS + 1):
        goal = _newton_goal(kernel, carries, strength, fit)
        step, share = goal, 1.0
        while share > MIN_STEP_SHARE and _loss(step, carries, strength) > loss:
            share /= 2
            step = _between(fit, goal, share)
        if (next_loss := _loss(step, carries, strength)) > loss:
            return fit, count

        change = float(np.abs(step.odds - fit.odds).max())
        fit, loss = step, next_loss
        if change <= TOLERANCE * max(1.0, float(np.abs(fit.odds).max())):
            return fit, count
    return fit, MAX_STEPS


def _newton_goal(kernel: Floats, carries: NDArray[np.bool_], strength: float, fit: _Fit) -> _Fit:
    """Return where a whole Newton step leads: the ridge regression of the working response."""
    odds = np.clip(fit.odds, -MAX_LOG_ODDS, MAX_LOG_ODDS)
    sign = np.where(carries, 1.0, -1.0)
    root = 1 / (2 * np.cosh(odds / 2))  # of each chip's weight p (1 - p)
    response = root * odds + sign * np.exp(-sign * odds / 2)  # times the root

    matrix = root[:, np.newaxis] * kernel * root
    matrix[np.diag_indices_from(matrix)] += strength
    factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve(factor, np.stack([response, root], axis=1), check_finite=False)
    bias = float(root @ solved[:, 0] / (root @ solved[:, 1]))
    dual = root * (solved[:, 0] - bias * solved[:, 1])
    return _Fit(dual, bias, kernel @ dual + bias)


def _between(start: _Fit, goal: _Fit, share: float) -> _Fit:
    def mix(first: Floats, second: Floats) -> Floats:
        return first + share * (second - first)

    return _Fit(mix(start.dual, goal.dual), start.bias + share * (goal.bias - start.bias), mix(start.odds, goal.odds))


def _loss(fit: _Fit, carries: NDArray[np.bool_], strength: float) -> float:
    margins = np.where(carries, fit.odds, -fit.odds)
    return float(np.logaddexp(0, -margins).sum() + strength / 2 * (fit.dual @ (fit.odds - fit.bias)))

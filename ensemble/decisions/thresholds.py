"""Scores to tags: a cut for each label, tags at it or above."""

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags

Thresholds = NDArray[np.float32]  # (labels,)

FLAT_THRESHOLD = (
    0.2  # a tag pays from a probability of F / (1 + beta^2) (for F1: Lipton et al. 2014, theorem 1), here F / 5
)
MIN_GAIN = 1e-9  # a step of the mean that is smaller is rounding


def apply_thresholds(scores: Scores, thresholds: Thresholds | float) -> Tags:
    """Tags (chips, labels) where `scores >= cuts`, in float32; one cut for all labels, or one each.

    Example:
        >>> apply_thresholds(np.float32([[0.2, 0.3]]), np.float32([0.2, 0.31]))
        array([[ True, False]])
    """
    limits = np.asarray(thresholds, np.float32)
    if limits.shape not in ((), scores.shape[1:]):
        raise ValueError(f"{limits.size} cuts came for {scores.shape[1]} labels; pass one, or one a label.")
    tags: Tags = scores >= limits
    return tags


def fit_thresholds(
    scores: Scores, truth: Tags, *, beta: float = 2.0, start: Thresholds | float = FLAT_THRESHOLD
) -> Thresholds:
    """Cuts (labels,) by coordinate ascent on the mean over chips of F-beta, which never ends below its start.

    One label after another gets the best of all its cuts, given the others', until none gains. A cut stands midway
    between two observed scores. What it gains on the scores it was fitted on is no measure of what it will gain.
    """
    if scores.shape != truth.shape or not scores.size:
        raise ValueError(f"scores has shape {scores.shape} but truth has {truth.shape}; both must be (chips, labels).")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} scores are not finite; cuts cannot be fitted.")
    scores = scores.astype(np.float32)
    tags = apply_thresholds(scores, start)
    thresholds = np.broadcast_to(np.asarray(start, np.float32), scores.shape[1:]).copy()
    orders = [np.argsort(-column, kind="stable") for column in scores.T]
    wanted = beta**2 * truth.sum(axis=1)  # of F-beta = (1 + beta^2) hits / (wanted + given)
    hits = (truth & tags).sum(axis=1).astype(np.float64)
    given = tags.sum(axis=1).astype(np.float64)
    moved = True
    while moved:
        moved = False
        for label, order in enumerate(orders):
            true, tagged, column = truth[:, label], tags[:, label], scores[:, label]
            other_hits, other_given = hits - (true & tagged), given - tagged
            without = other_hits / np.maximum(wanted + other_given, 1e-9)  # no hits: 0, whatever stands below
            gains = (other_hits + true) / (wanted + other_given + 1) - without
            count = _best_count(gains[order], column[order])
            chosen = np.zeros(len(column), np.bool_)
            chosen[order[:count]] = True
            if (1 + beta**2) * (gains[chosen].sum() - gains[tagged].sum()) <= MIN_GAIN * len(column):
                continue
            thresholds[label] = _threshold_after(column[order], count)
            tags[:, label], moved = chosen, True
            hits, given = other_hits + (true & chosen), other_given + chosen
    return thresholds


def nested_thresholds(scores: Scores, truth: Tags, fold: NDArray[np.int64]) -> Tags:
    """Tags (chips, labels) by cuts that were fitted on the other folds' scores: what fitted cuts are worth."""
    tags = np.zeros(truth.shape, np.bool_)
    for number in np.unique(fold):
        held = fold == number
        tags[held] = apply_thresholds(scores[held], fit_thresholds(scores[~held], truth[~held]))
    return tags


def frequent_tags(truth: Tags) -> NDArray[np.bool_]:
    """The constant answer (labels,): every label that more than `FLAT` of the chips carry."""
    answer: NDArray[np.bool_] = truth.mean(axis=0) > FLAT_THRESHOLD
    return answer


def _best_count(gains: Floats, falling: NDArray[np.float32]) -> int:
    """How many of the highest scores to tag; equal scores are tagged together."""
    totals = np.concatenate([[0.0], np.cumsum(gains)])
    totals[1:-1][falling[1:] == falling[:-1]] = -np.inf
    return int(np.argmax(totals))


def _threshold_after(falling: NDArray[np.float32], count: int) -> np.float32:
    """A cut that tags the first `count` of `falling` scores and no more."""
    above = falling[count - 1] if count else np.nextafter(np.maximum(falling[0], np.float32(1)), np.float32(np.inf))
    below = falling[count] if count < len(falling) else np.minimum(falling[-1], np.float32(0))
    middle = below + (above - below) / np.float32(2)
    return np.float32(middle if middle > below else above)

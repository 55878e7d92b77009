"""Scores to tags by thresholds: a label is a tag where its score is at its threshold or above."""

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Fold, Rows, Scores, Tags, Thresholds
from ensemble.metrics import folds

# A tag raises the expected F2 from a probability of F2 / 5, at most 0.2 (for F1: Lipton et al. 2014, theorem 1).
FLAT_THRESHOLD = 0.2
MIN_GAIN = 1e-9  # of the mean F-beta; a smaller step is rounding


def apply_thresholds(scores: Scores, thresholds: Thresholds | float) -> Tags:
    """Return tags (chips, labels) where `scores >= thresholds`, in float32; one for all labels, or one for each.

    Example:
        >>> apply_thresholds(np.float32([[0.2, 0.3]]), np.float32([0.2, 0.31]))
        array([[ True, False]])
    """
    limits = np.asarray(thresholds, np.float32)
    if limits.shape not in ((), scores.shape[1:]):
        raise ValueError(
            f"thresholds has {limits.size} values for {scores.shape[1]} labels; pass one, or one per label."
        )
    tags: Tags = scores >= limits
    return tags


def fit_thresholds(
    scores: Scores, truth: Tags, *, beta: float = 2.0, start: Thresholds | float = FLAT_THRESHOLD
) -> Thresholds:
    """Return thresholds (labels,) by coordinate ascent on the mean over chips of F-beta, never worse than `start`.

    One label after another gets its best threshold, given the others', until none gains. A threshold lies midway
    between two observed scores. The gain on the chips that it was fitted on is too optimistic: see `nested_thresholds`.

    F of an empty answer to an empty truth is 1, so of several false tags on a chip without true ones, only taking away
    the last gains. Where there are such chips, a second ascent therefore begins without tags; the better result counts.
    """
    if scores.shape != truth.shape or not scores.size:
        raise ValueError(f"scores has shape {scores.shape} but truth has {truth.shape}; both must be (chips, labels).")
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(scores))} scores are not finite; pass finite scores to fit thresholds."
        )

    scores = scores.astype(np.float32)
    first, mean_f = _ascend(scores, truth, beta, np.broadcast_to(np.asarray(start, np.float32), scores.shape[1:]))
    if truth.any(axis=1).all():
        return first
    second, mean_f_from_no_tags = _ascend(scores, truth, beta, np.nextafter(np.maximum(scores.max(axis=0), 1), np.inf))
    return second if mean_f_from_no_tags > mean_f + MIN_GAIN else first


def _ascend(scores: Scores, truth: Tags, beta: float, start: Thresholds) -> tuple[Thresholds, float]:
    """Return the thresholds (labels,) that coordinate ascent reaches from `start`, and their mean F-beta."""
    tags = apply_thresholds(scores, start)
    thresholds = start.copy()
    orders = [np.argsort(-column, kind="stable") for column in scores.T]
    weighted_true = beta**2 * truth.sum(axis=1)  # F-beta = (1 + beta^2) hits / (weighted_true + predicted)
    hits = (truth & tags).sum(axis=1).astype(np.float64)
    predicted = tags.sum(axis=1).astype(np.float64)

    moved = True
    while moved:
        moved = False
        for label, order in enumerate(orders):
            true, tagged, column = truth[:, label], tags[:, label], scores[:, label]
            other_hits, other_predicted = hits - (true & tagged), predicted - tagged
            without = _over(other_hits, weighted_true + other_predicted, beta)
            gains = (other_hits + true) / (weighted_true + other_predicted + 1) - without
            count = _best_count(gains[order], column[order])
            chosen = np.zeros(len(column), np.bool_)
            chosen[order[:count]] = True

            if (1 + beta**2) * (gains[chosen].sum() - gains[tagged].sum()) <= MIN_GAIN * len(column):
                continue
            thresholds[label] = _threshold_after(column[order], count)
            tags[:, label], moved = chosen, True
            hits, predicted = other_hits + (true & chosen), other_predicted + chosen
    return thresholds, float((1 + beta**2) * _over(hits, weighted_true + predicted, beta).mean())


def _over(hits: Floats, whole: Floats, beta: float) -> Floats:
    """Return F-beta / (1 + beta^2) of chips (chips,): hits over the whole; F is 1 where the whole is 0."""
    parts: Floats = np.divide(hits, whole, out=np.full(len(whole), 1 / (1 + beta**2)), where=whole > 0)
    return parts


def nested_thresholds(scores: Scores, truth: Tags, fold: Fold) -> Tags:
    """Return tags (chips, labels) by thresholds fitted on the other folds, whose F2 is an honest estimate."""

    def decide(train: Rows, held_out: Rows) -> Tags:
        return apply_thresholds(scores[held_out], fit_thresholds(scores[train], truth[train]))

    return folds.out_of_fold(decide, fold)


def frequent_tags(truth: Tags) -> NDArray[np.bool_]:
    """Return the labels (labels,) that more than `FLAT_THRESHOLD` of the chips carry: one answer for all chips."""
    tags: NDArray[np.bool_] = truth.mean(axis=0) > FLAT_THRESHOLD
    return tags


def _best_count(gains: Floats, falling: NDArray[np.float32]) -> int:
    """Return how many of the highest scores to tag; equal scores are tagged together."""
    totals = np.concatenate([[0.0], np.cumsum(gains)])
    totals[1:-1][falling[1:] == falling[:-1]] = -np.inf
    return int(np.argmax(totals))


def _threshold_after(falling: NDArray[np.float32], count: int) -> np.float32:
    """Return a threshold that tags exactly the first `count` of `falling` scores."""
    above = falling[count - 1] if count else np.nextafter(np.maximum(falling[0], np.float32(1)), np.float32(np.inf))
    below = falling[count] if count < len(falling) else np.minimum(falling[-1], np.float32(0))
    middle = below + (above - below) / np.float32(2)
    return np.float32(middle if middle > below else above)

"""Metrics of tags and scores against the ground truth, with bootstrap intervals.

`truth` and `tags` are boolean arrays of shape (chips, labels), with labels in the same order.

F of a chip with neither true nor predicted tags is 1: nothing was to be found, and nothing false was. Dembczynski et
al. 2011 (equation 1) define 0 / 0 so; it is scikit-learn's `zero_division=1`. Of a label that no chip carries,
precision, recall and F are 0 as with `zero_division=0`; the macro mean leaves it out where no answer has it either.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from ensemble.arrays import Counts, Floats, Scores, Tags

MIN_PROBABILITY = 1e-6  # the log loss clips scores to it and to 1 - it, so that one wrong certainty is not infinite
CALIBRATION_BINS = 15  # of the calibration error, as in Guo et al. 2017
MAX_RESAMPLING_WEIGHTS = 1 << 22  # in memory at a time: 32 MB of float64
FEW_CHIPS = 100  # with fewer, the 95 % interval of a mean F2 is wider than 0.08: more than recipes differ by
F_DEVIATION = 0.2  # usual standard deviation of F2 over chips, for an estimate before anything is measured


@dataclass(frozen=True)
class PerLabel:
    """One number per label, (labels,) each.

    `support` counts the chips that carry the label in the ground truth, `predicted` those whose predicted tags have it.
    """

    precision: Floats
    recall: Floats
    f2: Floats
    support: Counts
    predicted: Counts


def per_chip(truth: Tags, tags: Tags, *, beta: float = 2.0) -> Floats:
    """Return F-beta of every chip, (chips,); 1 for a chip with neither true nor predicted tags."""
    _check(truth, tags)
    true, predicted = truth.sum(axis=1), tags.sum(axis=1)
    return np.where(true + predicted == 0, 1.0, _f(_hits(truth, tags, axis=1), true, predicted, beta))


def f_beta(truth: Tags, tags: Tags, *, beta: float = 2.0) -> float:
    """Return the mean over chips of F-beta."""
    return float(per_chip(truth, tags, beta=beta).mean())


def f2(truth: Tags, tags: Tags) -> float:
    """Return the mean over chips of F2, the competition's metric.

    Example:
        >>> f2(np.array([[True, True, False]]), np.array([[True, False, False]]))
        0.5555555555555556
    """
    return f_beta(truth, tags)


def per_label(truth: Tags, tags: Tags) -> PerLabel:
    """Return precision, recall and F2 of each label over all chips."""
    _check(truth, tags)
    hits, true, predicted = _hits(truth, tags, axis=0), truth.sum(axis=0), tags.sum(axis=0)
    return PerLabel(_ratio(hits, predicted), _ratio(hits, true), _f(hits, true, predicted, 2.0), true, predicted)


def f1(truth: Tags, tags: Tags, average: Literal["micro", "macro"]) -> float:
    """Return F1 over all chips: of the pooled counts (`micro`), or the mean over labels (`macro`).

    The macro mean is over the labels that some chip carries or some answer has, as with scikit-learn's
    `zero_division=np.nan`. Where there is no such label, both are 1.
    """
    _check(truth, tags)
    hits, true, predicted = _hits(truth, tags, axis=0), truth.sum(axis=0), tags.sum(axis=0)
    occurring = true + predicted > 0
    if average not in ("micro", "macro"):
        raise ValueError(f"average is {average!r}; pass 'micro' or 'macro'.")
    if not occurring.any():
        return 1.0
    if average == "micro":
        return float(_f(hits.sum(), true.sum(), predicted.sum(), 1.0))
    return float(_f(hits, true, predicted, 1.0)[occurring].mean())


def mean_average_precision(truth: Tags, scores: Scores) -> float:
    """Return the mean average precision over the labels that occur in `truth`; 0 where none does."""
    if scores.shape != truth.shape:
        raise ValueError(f"truth has shape {truth.shape} but scores has {scores.shape}; both must be (chips, labels).")
    from sklearn.metrics import average_precision_score  # noqa: PLC0415  1 s that only this function should pay

    occurring = np.flatnonzero(truth.any(axis=0))
    values = [float(average_precision_score(truth[:, label], scores[:, label])) for label in occurring]
    return float(np.mean(values)) if values else 0.0


def log_loss(truth: Tags, scores: Scores) -> float:
    """Return the mean over chips and labels of the binary cross-entropy, scores clipped by `MIN_PROBABILITY`."""
    if scores.shape != truth.shape or not truth.size:
        raise ValueError(f"truth has shape {truth.shape} but scores has {scores.shape}; both must be (chips, labels).")
    probabilities = np.clip(scores.astype(np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return float(-np.log(np.where(truth, probabilities, 1 - probabilities)).mean())


def calibration_error(truth: Tags, scores: Scores) -> Floats:
    """Return the expected calibration error (labels,): the mean gap of score and frequency in bins of equal width.

    Guo et al. 2017, equation 3, of each label's score instead of a class's confidence.
    """
    bins = np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = truth.astype(np.float64) - scores
    columns = zip(bins.T, gaps.T, strict=True)
    return np.array([np.abs(np.bincount(bin_, gap, CALIBRATION_BINS)).sum() / len(gap) for bin_, gap in columns])


def brier_score(truth: Tags, scores: Scores) -> Floats:
    """Return the mean squared difference (labels,) of score and truth, 0 at best (Brier 1950)."""
    errors: Floats = np.square(scores.astype(np.float64) - truth).mean(axis=0)
    return errors


def bootstrap_interval(values: Floats, *, seed: int = 0, draws: int = 2000, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of a per-chip quantity.

    Efron and Tibshirani 1993, chapter 13. With the differences of two models' `per_chip` it is the interval of a
    paired comparison.
    """
    means = resampled_sums(np.asarray(values, np.float64)[:, np.newaxis], seed, draws)[:, 0] / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def remark_on_few(chips: int) -> str:
    """Return a sentence that says how little so few chips can measure; empty where there are enough."""
    if chips >= FEW_CHIPS:
        return ""
    return (
        f"{chips} chips measure little: expect F2 to be uncertain by about {1.96 * F_DEVIATION / chips**0.5:.2f} "
        f"either way; {FEW_CHIPS} or more are better"
    )


def probability_below(values: Floats, limit: float = 0.0, *, seed: int = 0, draws: int = 2000) -> float:
    """Return the share of bootstrap means of a per-chip quantity that are below a limit.

    With one model's `per_chip` minus another's, it is the probability that the first model is worse.
    """
    means = resampled_sums(np.asarray(values, np.float64)[:, np.newaxis], seed, draws)[:, 0] / len(values)
    return float((means < limit).mean())


def recall_drops(
    truth: Tags, before: Tags, after: Tags, *, seed: int = 0, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the recall that each label lost between two predictions of the same chips, and its lower bound.

    Returns:
        The loss of recall (labels,) and the one-sided lower bound at `level` of a bootstrap over chips (labels,). Both
        are 0 for a label that no chip carries.
    """
    for tags in (before, after):
        _check(truth, tags)
    support = truth.sum(axis=0)
    lost_hits = (truth & before).astype(np.float64) - (truth & after)
    lost_sums, sums = np.split(resampled_sums(np.concatenate([lost_hits, truth], axis=1), seed, 1000), 2, axis=1)
    return _ratio(lost_hits.sum(axis=0), support), np.quantile(_ratio(lost_sums, sums), 1 - level, axis=0)


def label_intervals(truth: Tags, tags: Tags, *, seed: int = 0, draws: int = 1000, level: float = 0.95) -> Floats:
    """Return percentile bootstrap intervals over chips, (labels, 2), of each label's F2."""
    _check(truth, tags)
    counts = np.concatenate([truth & tags, truth, tags], axis=1).astype(np.float64)
    hits, true, predicted = np.split(resampled_sums(counts, seed, draws), 3, axis=1)
    return np.quantile(_f(hits, true, predicted, 2.0), [(1 - level) / 2, (1 + level) / 2], axis=0).T


def resampled_sums(columns: Floats, seed: int, draws: int) -> Floats:
    """Return column sums (draws, columns) over bootstrap samples: as many rows, drawn with replacement."""
    rows = len(columns)
    bad = rows - np.isfinite(columns).all(axis=1).sum()
    if not rows or bad:
        raise ValueError(f"{bad} of {rows} chips have no finite value and cannot be resampled; pass finite values.")

    step = max(1, MAX_RESAMPLING_WEIGHTS // rows)
    if draws <= step:
        return _all_times_drawn(rows, seed, draws) @ columns
    rng = np.random.default_rng(seed)
    sizes = [min(step, draws - first) for first in range(0, draws, step)]
    return np.concatenate([_times_drawn(rng, rows, size) @ columns for size in sizes])


@lru_cache(maxsize=2)  # one choice resamples the same chips some hundred times
def _all_times_drawn(rows: int, seed: int, draws: int) -> Floats:
    return _times_drawn(np.random.default_rng(seed), rows, draws)


def _times_drawn(rng: np.random.Generator, rows: int, draws: int) -> Floats:
    """Return how often each row is drawn in each of the next samples, (draws, rows)."""
    drawn = rng.integers(rows, size=(draws, rows)) + rows * np.arange(draws)[:, np.newaxis]
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def _hits(truth: Tags, tags: Tags, axis: int) -> Counts:
    hits: Counts = (truth & tags).sum(axis=axis)
    return hits


def _f(hits: Any, true: Any, predicted: Any, beta: float) -> Floats:
    """Return F-beta of counts: (1 + beta^2) hits / (beta^2 true + predicted)."""
    return _ratio((1 + beta**2) * hits, beta**2 * true + predicted)


def _ratio(part: Any, whole: Any) -> Floats:
    """Return quotients of counts, and 0 where the whole is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio: Floats = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return ratio


def _check(truth: Tags, tags: Tags) -> None:
    if truth.shape != tags.shape or truth.ndim != 2:
        raise ValueError(
            f"truth has shape {truth.shape} but tags has {tags.shape}; "
            "both must be (chips, labels), with labels in the same order."
        )
    if truth.dtype != np.bool_ or tags.dtype != np.bool_:
        raise TypeError(
            f"truth is {truth.dtype} and tags are {tags.dtype}; both must be bool; apply thresholds to scores first."
        )
    if not truth.size:
        raise ValueError(f"truth has shape {truth.shape}; at least one chip and one label are needed.")

"""How good tags and scores are against the truth; the only metric code.

`truth` and `tags` are boolean arrays of shape (chips, labels), with labels in the same order. A quotient with
nothing in it counts 0, as scikit-learn's `zero_division=0` has it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from ensemble.arrays import Floats, Scores, Tags

EDGE = 1e-6  # of probabilities, so that one wrong certainty does not weigh infinitely
BINS = 15  # of the calibration error, as Guo et al. 2017 have it
BLOCK = 1 << 22  # resampling weights held at a time: 32 MB


@dataclass(frozen=True)
class PerLabel:
    """One number a label, (labels,) each; `support` counts the chips that truly carry it."""

    precision: Floats
    recall: Floats
    f2: Floats
    support: NDArray[np.int64]


def per_chip(truth: Tags, tags: Tags, *, beta: float = 2.0) -> Floats:
    """F-beta of every chip, (chips,); 0 for a chip with neither true nor given tags."""
    _check(truth, tags)
    return _f(_hits(truth, tags, axis=1), truth.sum(axis=1), tags.sum(axis=1), beta)


def f_beta(truth: Tags, tags: Tags, *, beta: float = 2.0) -> float:
    """Mean over chips of F-beta."""
    return float(per_chip(truth, tags, beta=beta).mean())


def f2(truth: Tags, tags: Tags) -> float:
    """Mean over chips of F2, the competition's score.

    Example:
        >>> f2(np.array([[True, True, False]]), np.array([[True, False, False]]))
        0.5555555555555556
    """
    return f_beta(truth, tags)


def per_label(truth: Tags, tags: Tags) -> PerLabel:
    """Precision, recall and F2 of each label over all chips."""
    _check(truth, tags)
    hits, true, given = _hits(truth, tags, axis=0), truth.sum(axis=0), tags.sum(axis=0)
    return PerLabel(_ratio(hits, given), _ratio(hits, true), _f(hits, true, given, 2.0), true)


def f1(truth: Tags, tags: Tags, average: Literal["micro", "macro"]) -> float:
    """F1 over all chips: of the pooled counts (`micro`), or the mean over labels (`macro`)."""
    _check(truth, tags)
    hits, true, given = _hits(truth, tags, axis=0), truth.sum(axis=0), tags.sum(axis=0)
    if average == "micro":
        return float(_f(hits.sum(), true.sum(), given.sum(), 1.0))
    if average == "macro":
        return float(_f(hits, true, given, 1.0).mean())
    raise ValueError(f"average is {average!r}; pass 'micro' or 'macro'.")


def mean_average_precision(truth: Tags, scores: Scores) -> float:
    """Mean of the average precision over the labels that occur in `truth`; 0 where none does."""
    if scores.shape != truth.shape:
        raise ValueError(f"truth has shape {truth.shape} but scores has {scores.shape}; both must be (chips, labels).")
    occurring = np.flatnonzero(truth.any(axis=0))
    values = [float(average_precision_score(truth[:, label], scores[:, label])) for label in occurring]
    return float(np.mean(values)) if values else 0.0


def log_loss(truth: Tags, scores: Scores) -> float:
    """Mean over chips and labels of the truth's negative log probability, scores kept `EDGE` away from 0 and 1."""
    if scores.shape != truth.shape or not truth.size:
        raise ValueError(f"truth has shape {truth.shape} but scores has {scores.shape}; both must be (chips, labels).")
    kept = np.clip(scores.astype(np.float64), EDGE, 1 - EDGE)
    return float(-np.log(np.where(truth, kept, 1 - kept)).mean())


def calibration_error(truth: Tags, scores: Scores) -> Floats:
    """Expected calibration error (labels,): the mean gap of score and frequency in `BINS` bins of equal width.

    Guo et al. 2017, equation 3, of each label's score instead of a class's confidence.
    """
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    gaps = truth.astype(np.float64) - scores
    columns = zip(bins.T, gaps.T, strict=True)
    return np.array([np.abs(np.bincount(place, gap, BINS)).sum() / len(gap) for place, gap in columns])


def bootstrap_interval(values: Floats, *, seed: int = 0, draws: int = 2000, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of a per-chip quantity (Efron and Tibshirani 1993, chapter 13).

    Differences of two models' `per_chip` are such a quantity: their interval is that of a paired comparison.
    """
    means = _resampled(np.asarray(values, np.float64)[:, np.newaxis], seed, draws)[:, 0] / len(values)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def probability_below(values: Floats, limit: float = 0.0, *, seed: int = 0, draws: int = 2000) -> float:
    """The share of bootstrap means of a per-chip quantity that are below a limit.

    Of differences of two models' `per_chip` it is how probable it is that the second model is worse.
    """
    means = _resampled(np.asarray(values, np.float64)[:, np.newaxis], seed, draws)[:, 0] / len(values)
    return float((means < limit).mean())


def recall_drops(
    truth: Tags, before: Tags, after: Tags, *, seed: int = 0, level: float = 0.95
) -> tuple[Floats, Floats]:
    """How much recall each label lost between two answers to the same chips, (labels,), and the least that is sure.

    The latter is the one-sided lower bound of a bootstrap over chips; both are 0 for a label that no chip carries.
    """
    for tags in (before, after):
        _check(truth, tags)
    support = truth.sum(axis=0)
    lost = (truth & before).astype(np.float64) - (truth & after)
    lost_sums, sums = np.split(_resampled(np.concatenate([lost, truth], axis=1), seed, 1000), 2, axis=1)
    return _ratio(lost.sum(axis=0), support), np.quantile(_ratio(lost_sums, sums), 1 - level, axis=0)


def label_intervals(truth: Tags, tags: Tags, *, seed: int = 0, draws: int = 1000, level: float = 0.95) -> Floats:
    """Percentile bootstrap intervals, (labels, 2), of each label's F2; the chips are drawn."""
    _check(truth, tags)
    counts = np.concatenate([truth & tags, truth, tags], axis=1).astype(np.float64)
    hits, true, given = np.split(_resampled(counts, seed, draws), 3, axis=1)
    return np.quantile(_f(hits, true, given, 2.0), [(1 - level) / 2, (1 + level) / 2], axis=0).T


def _resampled(columns: Floats, seed: int, draws: int) -> Floats:
    """Column sums, (draws, columns), over as many rows as there are, drawn with replacement."""
    rows = len(columns)
    if not rows or not np.isfinite(columns).all():
        raise ValueError(f"{rows} chips, of which some may not be finite numbers, cannot be resampled; pass values.")
    rng = np.random.default_rng(seed)
    sums = np.empty((draws, columns.shape[1]))
    step = max(1, BLOCK // rows)
    for first in range(0, draws, step):
        some = range(first, min(first + step, draws))
        times = np.stack([np.bincount(rng.integers(rows, size=rows), minlength=rows) for _ in some])
        sums[some.start : some.stop] = times.astype(np.float64) @ columns
    return sums


def _hits(truth: Tags, tags: Tags, axis: int) -> NDArray[np.int64]:
    hits: NDArray[np.int64] = (truth & tags).sum(axis=axis)
    return hits


def _f(hits: Any, true: Any, given: Any, beta: float) -> Floats:
    """F-beta of counts: (1 + beta^2) hits / (beta^2 true + given)."""
    return _ratio((1 + beta**2) * hits, beta**2 * true + given)


def _ratio(part: Any, whole: Any) -> Floats:
    """Quotient of counts, 0 where there are none; a whole that is not 0 is at least 1 or a beta^2."""
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
        raise TypeError(f"truth is {truth.dtype} and tags are {tags.dtype}; both must be bool: decide on scores first.")
    if not truth.size:
        raise ValueError(f"truth has shape {truth.shape}; at least one chip and one label are needed.")

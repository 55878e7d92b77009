"""How far scores are probabilities: the share of chips with a tag among those with about the same score."""

from dataclasses import dataclass

import numpy as np

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.model.measured_scores import Interval
from ensemble.arrays import Floats, Scores, Tags
from ensemble.metrics import score

BINS = score.CALIBRATION_BINS
DRAWS = 400  # of the bootstrap over chips
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class ReliabilityBin:
    """Scores of all labels in one of `BINS` bins of equal width.

    Attributes:
        count: of the scores.
        score: their mean.
        share: of those whose tag holds.
        interval: of the share, by a bootstrap over chips.
    """

    count: int
    score: float
    share: float
    interval: Interval


@dataclass(frozen=True)
class Reliability:
    """The bins that hold a score, and errors over all labels and of each, (labels,)."""

    bins: tuple[ReliabilityBin, ...]
    brier: float
    calibration_error: float
    label_brier: Floats
    label_calibration_error: Floats


def measure_reliability(truth: Tags, scores: Scores) -> Reliability:
    """Measure scores (chips, labels) as probabilities of the truth (chips, labels)."""
    label_brier = score.brier_score(truth, scores)
    pooled = score.calibration_error(truth.reshape(-1, 1), scores.reshape(-1, 1))
    return Reliability(
        _bins(truth, scores),
        float(label_brier.mean()),
        float(pooled[0]),
        label_brier,
        score.calibration_error(truth, scores),
    )


def _bins(truth: Tags, scores: Scores) -> tuple[ReliabilityBin, ...]:
    places = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    counts, hits, sums = np.zeros((3, len(truth), BINS))
    chips = np.broadcast_to(np.arange(len(truth))[:, np.newaxis], places.shape)
    np.add.at(counts, (chips, places), 1)
    np.add.at(hits, (chips, places), truth)
    np.add.at(sums, (chips, places), scores)
    drawn = score.resampled_sums(np.concatenate([hits, counts], axis=1), 0, DRAWS)
    drawn_hits, drawn_counts = np.split(drawn, 2, axis=1)

    bins = []
    for place in np.flatnonzero(counts.any(axis=0)):
        count = counts[:, place].sum()
        known = drawn_counts[:, place] > 0
        low, high = np.quantile(drawn_hits[known, place] / drawn_counts[known, place], ENDS)
        mean, share = sums[:, place].sum() / count, hits[:, place].sum() / count
        bins.append(ReliabilityBin(int(count), float(mean), float(share), (float(low), float(high))))
    return tuple(bins)


def reliability_chart(reliability: Reliability) -> str:
    """Return the diagram as SVG: the share of true tags by the score, with the diagonal of perfect probabilities."""
    points = [
        ChartPoint(one.score, one.share, one.interval, f"{one.count} scores of about {one.score:.2f}:")
        for one in reliability.bins
    ]
    diagonal = [ChartPoint(0.0, 0.0), ChartPoint(1.0, 1.0)]
    series = [ChartSeries("scores", points), ChartSeries("probabilities", diagonal, "line")]
    return line_chart(ChartTitles("Share of true tags by their score", "score", "share of true tags"), series)

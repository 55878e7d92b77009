"""What a label's threshold does: precision by recall, and the change of the mean F-beta, with bootstrap bands.

All take `truth` and `scores` of shape (chips, labels); scores are calibrated and thresholds are compared in float32.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Scores, Tags, Thresholds
from ensemble.metrics import score

THRESHOLDS: Floats = np.linspace(0, 1, 101)  # a step of 0.01
MAX_RECALLS = 100  # points of a curve of precision by recall; each true chip is a step of it
DRAWS = 200  # of a band: its ends then move by less than a line is wide
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Band:
    """A curve (points,) with the ends of 95 % bootstrap intervals over chips at each of its points."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


def precision_by_recall(truth: Tags, scores: Scores, label: int) -> Band | None:
    """Return the precision of one label at each recall that it can have, the lowest first; None if no chip carries it.

    The band is that of the precision at the same recall.
    """
    true, column = truth[:, label], scores[:, label]
    if not true.any():
        return None
    steps = np.unique(column[true])[::-1]
    steps = steps[np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MAX_RECALLS)).astype(int))]
    tagged = column[:, np.newaxis] >= steps
    hits = tagged & true[:, np.newaxis]
    recall, precision = hits.sum(axis=0) / true.sum(), hits.sum(axis=0) / tagged.sum(axis=0)

    sums = score.resampled_sums(np.concatenate([hits, tagged], axis=1).astype(np.float64), 0, DRAWS)
    drawn_hits, drawn_tagged = np.split(sums[sums[:, len(steps) - 1] > 0], 2, axis=1)  # draws with a true chip
    drawn_precision = np.divide(drawn_hits, drawn_tagged, out=np.ones_like(drawn_hits), where=drawn_tagged > 0)
    drawn_recall = drawn_hits / drawn_hits[:, -1:]
    pairs = zip(drawn_recall, drawn_precision, strict=True)
    low, high = np.quantile([np.interp(recall, *pair) for pair in pairs], ENDS, axis=0)
    return Band(recall, precision, np.minimum(low, precision), np.maximum(high, precision))


def change_by_threshold(
    truth: Tags, scores: Scores, *, current: Thresholds, label: int, beta: float, thresholds: Floats = THRESHOLDS
) -> Band:
    """Return by how much the mean F-beta over chips changes as one label's threshold moves and the others stay.

    Args:
        truth: (chips, labels).
        scores: (chips, labels).
        current: (labels,) the thresholds from which the change is measured.
        label: the column whose threshold moves.
        beta: of F-beta.
        thresholds: (points,) the values to measure at.
    """
    tags = scores >= current
    before = score.per_chip(truth, tags, beta=beta)
    f_beta = []
    for tagged in (False, True):
        tags[:, label] = tagged
        f_beta.append(score.per_chip(truth, tags, beta=beta) - before)
    without, having = f_beta

    is_tagged = scores[:, label, np.newaxis] >= thresholds.astype(np.float32)
    changes = np.where(is_tagged, having[:, np.newaxis], without[:, np.newaxis])
    low, high = np.quantile(score.resampled_sums(changes, 0, DRAWS) / len(truth), ENDS, axis=0)
    return Band(thresholds, changes.mean(axis=0), low, high)

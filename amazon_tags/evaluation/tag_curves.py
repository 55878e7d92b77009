"""The two pictures of a tag that a page shows: precision by recall, and the mean F-beta by its threshold."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from amazon_tags.evaluation.small_chart import small_chart
from amazon_tags.evaluation.threshold_curves import Band, change_by_threshold, precision_by_recall
from ensemble.arrays import Scores, Tags, Thresholds

MIN_CHANGE = 0.001  # of the mean F-beta that a picture shows; less is of no use
USUAL = (0.05, 0.95)  # thresholds whose changes are seen whole; at 0 a rare tag is on every chip


@dataclass(frozen=True)
class TagCurves:
    """SVG pictures of a tag; there is no precision by recall if no chip carries it."""

    precision_recall: Markup | None
    change: Markup


def tag_curves(name: str, truth: Tags, scores: Scores, *, current: Thresholds, label: int, beta: float) -> TagCurves:
    """Draw the curves of a tag.

    Args:
        name: of the tag.
        truth: (chips, labels).
        scores: (chips, labels), calibrated and of chips that the model was not trained on.
        current: (labels,) thresholds; that of the tag is marked.
        label: its column.
        beta: of F-beta.
    """
    precision = precision_by_recall(truth, scores, label)
    change = change_by_threshold(truth, scores, current=current, label=label, beta=beta)
    titles = "threshold", f"change of F{beta:g}"
    drawn = small_chart(
        f"{name}: change of the mean F{beta:g} by its threshold",
        change,
        titles,
        span=_span(change),
        mark=min(float(current[label]), 1.0),
    )
    return TagCurves(
        Markup(small_chart(f"{name}: precision by recall", precision, ("recall", "precision"), span=(0.0, 1.0)))  # noqa: S704  our SVG
        if precision
        else None,
        Markup(drawn),  # noqa: S704  our own SVG, whose text is escaped
    )


def _span(change: Band) -> tuple[float, float]:
    """Return the least and the greatest change that its picture shows."""
    usual = (change.x >= USUAL[0]) & (change.x <= USUAL[1])
    return (
        float(np.minimum(change.low[usual].min(), -MIN_CHANGE)),
        float(np.maximum(change.high[usual].max(), MIN_CHANGE)),
    )

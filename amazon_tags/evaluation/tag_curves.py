"""The two pictures of a tag that a page shows: precision by recall, and the mean F-beta by its threshold."""

from dataclasses import dataclass

from markupsafe import Markup

from amazon_tags.evaluation.small_chart import small_chart
from amazon_tags.evaluation.threshold_curves import change_by_threshold, precision_by_recall
from ensemble.arrays import Scores, Tags, Thresholds


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
        f"{name}: change of the mean F{beta:g} by its threshold", change, titles, mark=min(float(current[label]), 1.0)
    )
    return TagCurves(
        Markup(small_chart(f"{name}: precision by recall", precision, ("recall", "precision")))  # noqa: S704  our SVG
        if precision
        else None,
        Markup(drawn),  # noqa: S704  our own SVG, whose text is escaped
    )

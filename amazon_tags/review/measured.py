"""What a report shows of out-of-fold scores: each tag's curves and figures, confusions, and calibration."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from amazon_tags import progress
from amazon_tags.evaluation.evaluate import measure_tags
from amazon_tags.evaluation.group_confusion import confuse_group
from amazon_tags.evaluation.reliability import Reliability, measure_reliability, reliability_chart
from amazon_tags.evaluation.tag_curves import TagCurves, tag_curves
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.measured_scores import LabelReport, decimals
from amazon_tags.review.out_of_fold import OutOfFold
from ensemble.metrics import score

SHADES = 8  # of the cells of a confusion: classes of the style sheet


@dataclass(frozen=True)
class ReportTag:
    """A tag with its curves, and where its slider begins; `threshold` is above 1 for a tag that is never predicted."""

    name: str
    caption: str
    curves: TagCurves
    threshold: float


@dataclass(frozen=True)
class ConfusionCell:
    """A number of chips, and the class of its colour, by its share of the row."""

    count: int
    shade: int


@dataclass(frozen=True)
class ConfusionTable:
    """A group of labels, with a row of cells for each true label."""

    title: str
    names: tuple[str, ...]
    rows: list[tuple[str, list[ConfusionCell]]]
    note: str


@dataclass(frozen=True)
class MeasuredValues:
    """The values of the template.

    Attributes:
        tags: their cards.
        columns: of the table of tags, as `rows` has them.
        decisions: rows of F2 by the way from scores to tags.
        own_f: the F-beta of the bundle's decision where that has no thresholds, else empty.
        honest_f: that of decisions fitted without the chip where it differs from the bundle's own, else empty.
    """

    tags: list[ReportTag]
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    decisions: list[tuple[str, ...]]
    confusions: list[ConfusionTable]
    reliability: Reliability
    reliability_chart: Markup
    own_f: str
    honest_f: str


def measured_values(manifest: Manifest, out_of_fold: OutOfFold) -> MeasuredValues:
    """Measure the out-of-fold scores of a bundle."""
    space, truth = manifest.space, out_of_fold.truth
    reports = measure_tags(truth, out_of_fold.tags, space).labels
    reliability = measure_reliability(truth, out_of_fold.calibrated)
    tags = _tags(out_of_fold, {name: report.support for name, report in reports.items()})
    return MeasuredValues(
        tags=tags,
        columns=("tag", "chips", "precision", "recall", "F2", "95 % interval", "Brier", "calibration error"),
        rows=[(*_cells(name, reports[name]), *_errors(reliability, label)) for label, name in enumerate(space.names)],
        decisions=_decisions(manifest),
        confusions=[_confusion(out_of_fold, group) for group in space.groups],
        reliability=reliability,
        reliability_chart=Markup(reliability_chart(reliability)),  # noqa: S704  our own SVG
        honest_f=_honest_f(out_of_fold),
        own_f="" if out_of_fold.has_thresholds else f"{out_of_fold.f_beta.mean():.4f}",
    )


def _tags(out_of_fold: OutOfFold, support: Mapping[str, int]) -> list[ReportTag]:
    """Draw the curves of all tags."""
    tags, decision = [], out_of_fold.decision
    with progress.bar("drawing tags", len(support)) as advance:
        for label, (name, chips) in enumerate(support.items()):
            curves = tag_curves(
                name,
                out_of_fold.truth,
                out_of_fold.calibrated,
                current=out_of_fold.thresholds,
                label=label,
                beta=decision.beta,
            )
            tags.append(ReportTag(name, _chips(chips), curves, float(decision.thresholds[label])))
            advance(1)
    return tags


def _honest_f(out_of_fold: OutOfFold) -> str:
    """Return the mean F-beta of the tags by decisions that were fitted without the chip, if it differs."""
    f_beta = score.f_beta(out_of_fold.truth, out_of_fold.tags, beta=out_of_fold.decision.beta)
    return "" if f_beta == out_of_fold.f_beta.mean() else f"{f_beta:.4f}"


def _cells(name: str, report: LabelReport) -> tuple[str, ...]:
    interval = " to ".join(map(decimals, report.interval)) if report.interval else "-"
    figures = map(decimals, (report.precision, report.recall, report.f2))
    return name, str(report.support), *figures, interval


def _errors(reliability: Reliability, label: int) -> tuple[str, str]:
    return f"{reliability.label_brier[label]:.4f}", f"{reliability.label_calibration_error[label]:.4f}"


def _decisions(manifest: Manifest) -> list[tuple[str, ...]]:
    if not manifest.scores:
        return []
    return [
        (name.replace("cuts", "thresholds"), f"{entry.f2:.4f}", f"{entry.interval[0]:.4f} to {entry.interval[1]:.4f}")
        for name, entry in manifest.scores.decisions.items()
    ]


def _confusion(out_of_fold: OutOfFold, group: tuple[str, ...]) -> ConfusionTable:
    columns = tuple(out_of_fold.space.names.index(name) for name in group)
    confusion = confuse_group(out_of_fold.truth, out_of_fold.calibrated, columns)
    rows = []
    for name, counts in zip(group, confusion.counts.tolist(), strict=True):
        total = max(sum(counts), 1)
        rows.append((name, [ConfusionCell(count, round(count / total * (SHADES - 1))) for count in counts]))
    left = f" {_chips(confusion.left_out)} with none or several of these tags left out." if confusion.left_out else ""
    note = f"The highest score is that of the true tag on {confusion.accuracy:.1%} of the chips.{left}"
    return ConfusionTable(f"One of {', '.join(group)}", group, rows, note)


def _chips(count: int) -> str:
    return "1 chip" if count == 1 else f"{count:,} chips"

"""The report of `amazon_tags curve`: scores by the number of labelled chips, as text, CSV and JSON."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from amazon_tags import records
from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.model.measured_scores import decimals
from amazon_tags.records import Json
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats
from ensemble.metrics import power_law
from ensemble.metrics.seeded_scores import SeededScores

FULL = "full"  # the shots of all labelled chips
ENDS = (0.025, 0.975)
LAW_POINTS = 50  # of the drawn line


@dataclass(frozen=True)
class Measured:
    """A value with its 95 % bootstrap interval over held-out chips and seeds."""

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class CurvePoint:
    """The scores of one number of shots.

    Attributes:
        shots: the least number of chips a label, as text, or `full`.
        chips: labelled chips that were trained on, the mean over folds and seeds.
        seeds: how many subsets were drawn.
        f2: held out, with one flat threshold.
        mean_average_precision: held out.
        recall: of each label, held out; None for a label that no chip carries.
        short: labels with fewer chips than the shots in some fold's training part, with the least of these numbers.
    """

    shots: str
    chips: float
    seeds: int
    f2: Measured
    mean_average_precision: Measured
    recall: dict[str, Measured | None]
    short: dict[str, int]


@dataclass(frozen=True)
class LawReport:
    """The power law 1 - F2 = scale * chips ** -exponent; `refusal` says why it carries no extrapolation, if so."""

    scale: float
    exponent: float
    exponent_interval: tuple[float, float]
    refusal: str | None


@dataclass(frozen=True)
class CurveReport:
    """All that `curve` reports; chips needed are None with a reason where they are refused."""

    chips: int
    folds: int
    points: tuple[CurvePoint, ...]
    law: LawReport | None  # None for a single point
    needed: tuple[power_law.ChipsNeeded, ...]

    def to_json(self) -> Json:
        """Return the values as `curve --json` prints them."""
        return records.to_json(self)


@dataclass(frozen=True)
class PointScores:
    """What was measured for one number of shots; the fields are those of `CurvePoint`."""

    shots: str
    chips: float
    seeds: int
    scores: SeededScores
    short: dict[str, int]


def curve_report(
    points: Sequence[PointScores], space: LabelSpace, *, chips: int, folds: int, targets: Sequence[float]
) -> CurveReport:
    """Return the report on points with ascending numbers of chips, and fit the law to them.

    Args:
        points: what was measured.
        space: the labels.
        chips: held-out chips.
        folds: of the cross-validation.
        targets: the F2 for which to say how many labelled chips are needed.
    """
    law = None
    sizes = np.array([point.chips for point in points])
    if len(np.unique(sizes)) > 1:
        values = np.array([point.scores.f2 for point in points])
        law = power_law.fit_power_law(sizes, values, np.stack([point.scores.f2_draws for point in points], axis=1))
    return CurveReport(
        chips,
        folds,
        tuple(_point(point, space) for point in points),
        None if law is None else LawReport(law.scale, law.exponent, law.exponent_interval, law.refusal),
        () if law is None else tuple(power_law.chips_needed(law, target) for target in targets),
    )


def _point(point: PointScores, space: LabelSpace) -> CurvePoint:
    scores = point.scores
    recall = {
        name: None if np.isnan(value) else _measured(float(value), scores.recall_draws[:, label])
        for label, (name, value) in enumerate(zip(space.names, scores.recall, strict=True))
    }
    return CurvePoint(
        point.shots,
        point.chips,
        point.seeds,
        _measured(scores.f2, scores.f2_draws),
        _measured(scores.mean_average_precision, scores.mean_average_precision_draws),
        recall,
        point.short,
    )


def _measured(value: float, draws: Floats) -> Measured:
    low, high = np.nanquantile(draws, ENDS)
    return Measured(value, (float(low), float(high)))


def curve_text(report: CurveReport) -> str:
    """Return the report as aligned plain text."""
    lines = [
        f"{report.chips} chips, held out in {report.folds} folds; 95 % intervals over chips and seeds",
        "",
        "shots   chips  seeds      F2  interval            mAP  interval",
    ]
    lines += [
        f"{point.shots:>5}  {point.chips:6.1f}  {point.seeds:5}"
        f"  {_form(point.f2)}  {_form(point.mean_average_precision)}"
        for point in report.points
    ]
    width = max(len("recall"), *(len(name) for name in report.points[0].recall))
    lines += ["", f"{'recall':{width}}" + "".join(f"  {point.shots:>5}" for point in report.points)]
    for name in report.points[0].recall:
        recalls = [point.recall[name] for point in report.points]
        cells = [decimals(recall.value if recall else None) for recall in recalls]
        lines.append(f"{name:{width}}" + "".join(f"  {cell:>5}" for cell in cells))
    return "\n".join([*lines, "", *_law_lines(report)]) + "\n"


def _form(measured: Measured) -> str:
    low, high = measured.interval
    return f"{measured.value:.4f}  {low:.4f} to {high:.4f}"


def _law_lines(report: CurveReport) -> Iterator[str]:
    if report.law is None:
        yield "one size of samples has no slope: no law is fitted."
        return
    low, high = report.law.exponent_interval
    yield f"1 - F2 = {report.law.scale:.4f} * chips ** -{report.law.exponent:.4f} (exponent {low:.4f} to {high:.4f})"
    if report.law.refusal:
        yield f"no extrapolation: {report.law.refusal}."
        return
    for needed in report.needed:
        if needed.chips is None or needed.interval is None:
            yield f"labels needed for F2 = {needed.f2:g}: refused, {needed.refusal}."
        else:
            ends = " to ".join(f"{end:.0f}" for end in needed.interval)
            yield f"labels needed for F2 = {needed.f2:g}: {needed.chips:.0f} chips ({ends})"


def curve_csv(report: CurveReport) -> str:
    """Return a row for each value; `metric` is f2, mean_average_precision or, with a `label`, recall."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("shots", "chips", "seeds", "metric", "label", "value", "low", "high"))
    for point in report.points:
        values = [("f2", "", point.f2), ("mean_average_precision", "", point.mean_average_precision)]
        values += [("recall", name, recall) for name, recall in point.recall.items() if recall]
        for metric, label, measured in values:
            numbers = [f"{number:.6f}" for number in (measured.value, *measured.interval)]
            writer.writerow((point.shots, f"{point.chips:.1f}", point.seeds, metric, label, *numbers))
    return table.getvalue()


def curve_svg(report: CurveReport) -> str:
    """Return a chart of F2 and mean average precision by the number of chips, with intervals and the law's line."""
    f2 = [_chart_point(point, point.f2) for point in report.points]
    precision = [_chart_point(point, point.mean_average_precision) for point in report.points]
    series = [ChartSeries("F2", f2), ChartSeries("mean average precision", precision)]
    if report.law is not None:
        sizes = np.geomspace(f2[0].x, f2[-1].x, LAW_POINTS)
        line = [ChartPoint(size, 1 - report.law.scale * size**-report.law.exponent) for size in sizes.tolist()]
        series.append(ChartSeries("power law of F2", line, "line"))
    title = f"Scores of {report.chips} held-out chips, with 95 % intervals"
    return line_chart(ChartTitles(title, "labelled chips", "score", log_x=True), series)


def _chart_point(point: CurvePoint, measured: Measured) -> ChartPoint:
    return ChartPoint(point.chips, measured.value, measured.interval, f"{point.shots} shots")

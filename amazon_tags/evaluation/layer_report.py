"""The report of `amazon_tags search-layer`: a backbone's layers by F2, size and time, as text, CSV, JSON and SVG."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amazon_tags import records
from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.records import Json
from ensemble.arrays import Tags
from ensemble.metrics import score
from ensemble.metrics.standard_error import behind_best, smallest_alike

Interval = tuple[float, float]  # the ends of a 95 % bootstrap interval over chips
Method = Literal["frozen", "tuned"]  # a linear probe on frozen vectors, or a fine-tuned network
COLUMNS = (
    *("stage", "method", "layer", "f2", "f2_low", "f2_high", "behind", "standard_error"),
    *("width", "parameters", "multiply_adds", "milliseconds"),
)


@dataclass(frozen=True)
class LayerCost:
    """What a network up to a layer costs.

    Attributes:
        width: columns of its vectors.
        parameters: numbers in the backbone's layers, with the statistics of batch norms.
        multiply_adds: for a chip, by convolutions and matrix products.
        milliseconds: one core's time for a chip.
    """

    width: int
    parameters: int
    multiply_adds: int
    milliseconds: float


@dataclass(frozen=True)
class MeasuredLayer:
    """The out-of-fold tags (chips, labels) of a network that ends at a layer, and what it costs."""

    stage: int
    method: Method
    layer: str
    tags: Tags
    cost: LayerCost


@dataclass(frozen=True)
class LayerRow:
    """One row of the report; `behind` the best row of the same method, with the standard error of the difference."""

    stage: int
    method: Method
    layer: str
    f2: float
    f2_interval: Interval
    behind: float
    standard_error: float
    cost: LayerCost


@dataclass(frozen=True)
class LayerReport:
    """The measured layers in the network's order, and the proposed one with a sentence and its `[[members]]`."""

    backbone: str
    chips: int
    folds: int
    rows: tuple[LayerRow, ...]
    method: Method
    layer: str
    verdict: str
    member: str

    def to_json(self) -> Json:
        """Return the values as `search-layer --json` prints them."""
        return records.to_json(self)


def layer_report(
    truth: Tags, measured: Sequence[MeasuredLayer], *, backbone: str, folds: int, member: dict[Method, str]
) -> LayerReport:
    """Return the report, and propose the smallest network within one standard error of the best.

    Fine-tuned networks are compared with each other if there are any, else linear probes. The smallest has the fewest
    parameters, of equal ones the fewest multiply-adds.

    Args:
        truth: (chips, labels).
        measured: at least one layer.
        backbone: its name.
        folds: of the cross-validation.
        member: the text of a recipe's member for each method, with `{layer}` where the layer stands.
    """
    rows: list[LayerRow] = []
    for method in ("frozen", "tuned"):
        rows += _rows(truth, [layer for layer in measured if layer.method == method])
    method = rows[-1].method
    compared = [layer for layer in measured if layer.method == method]
    f2 = np.stack([score.per_chip(truth, layer.tags) for layer in compared])
    order = sorted(range(len(compared)), key=lambda place: _size(compared[place].cost))
    place = smallest_alike(f2, [order.index(place) for place in range(len(compared))])
    layer = compared[place].layer
    probe = max((row for row in rows if row.method == "frozen"), key=lambda row: row.f2)
    verdict = _verdict(backbone, layer, [row for row in rows if row.method == method], probe)
    text = member[method].format(layer=layer)
    rows.sort(key=lambda row: (row.method, _size(row.cost)))
    return LayerReport(backbone, len(truth), folds, tuple(rows), method, layer, verdict, text)


def _size(cost: LayerCost) -> tuple[int, int]:
    return cost.parameters, cost.multiply_adds


def _rows(truth: Tags, measured: Sequence[MeasuredLayer]) -> Iterator[LayerRow]:
    if not measured:
        return
    f2 = np.stack([score.per_chip(truth, layer.tags) for layer in measured])
    behind, errors = behind_best(f2)
    for place, layer in enumerate(measured):
        yield LayerRow(
            layer.stage,
            layer.method,
            layer.layer,
            float(f2[place].mean()),
            score.bootstrap_interval(f2[place]),
            float(behind[place]),
            float(errors[place]),
            layer.cost,
        )


def _verdict(backbone: str, layer: str, rows: Sequence[LayerRow], probe: LayerRow) -> str:
    """Return what to write into a recipe, and why; the rows are of one method, `probe` is the best linear one."""
    best = next(row for row in rows if row.behind == 0)
    row = next(row for row in rows if row.layer == layer)
    largest = max(rows, key=lambda row: _size(row.cost))
    text = f'Write backbone = "{backbone}", layer = "{layer}" into the recipe: '
    if row == best:
        text += f"it has the best F2, {row.f2:.4f}, and no smaller network is within one standard error of it"
    else:
        text += (
            f"it is the smallest network within one standard error of the best, {best.layer} (F2 {best.f2:.4f}): "
            f"{row.behind:.4f} behind, standard error {row.standard_error:.4f}"
        )
    if row != largest:
        share = row.cost.multiply_adds / max(1, largest.cost.multiply_adds)
        text += f"; it takes {share:.0%} of the multiply-adds of {largest.layer}, the largest compared"
    if row.method == "frozen":
        text += "; this is by linear probes on frozen vectors, and fine-tuning may favour another layer"
    elif probe.f2 > best.f2:
        text += f"; but the linear probe at {probe.layer} has a higher F2, {probe.f2:.4f}, than all fine-tuned networks"
    return f"{text}."


def layer_text(report: LayerReport) -> str:
    """Return the report as an aligned table of plain text."""
    width = max(len("layer"), *(len(row.layer) for row in report.rows))
    lines = [
        f"{report.backbone}: {report.chips} chips, {report.folds} folds; F2 out of fold at one flat threshold, with "
        "95 % intervals over chips",
        "behind the best of its method, with the standard error of this paired difference; * is proposed",
        "",
        f"  stage  method  {'layer':{width}}  F2      interval          behind  std. error  width  parameters"
        "  M multiply-adds  ms a chip",
    ]
    for row in report.rows:
        low, high = row.f2_interval
        star = "*" if (row.method, row.layer) == (report.method, report.layer) else " "
        lines.append(
            f"{star} {row.stage:5}  {row.method:6}  {row.layer:{width}}  {row.f2:.4f}  {low:.4f} to {high:.4f}"
            f"  {row.behind:6.4f}  {row.standard_error:10.4f}  {row.cost.width:5}  {row.cost.parameters:10,}"
            f"  {row.cost.multiply_adds / 1e6:15,.1f}  {row.cost.milliseconds:9.2f}"
        )
    return "\n".join([*lines, "", report.verdict, "", report.member])


def layer_csv(report: LayerReport) -> str:
    """Return the rows as CSV."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in report.rows:
        numbers = (row.f2, *row.f2_interval, row.behind, row.standard_error)
        cost = row.cost
        costs = (cost.width, cost.parameters, cost.multiply_adds, f"{cost.milliseconds:.3f}")
        writer.writerow([row.stage, row.method, row.layer, *(f"{number:.6f}" for number in numbers), *costs])
    return table.getvalue()


def layer_svg(report: LayerReport) -> str:
    """Return a chart of F2 against time: each method's layers with their intervals, with names where they matter."""
    series = []
    for method, name in (("tuned", "fine-tuned"), ("frozen", "linear probe")):
        rows = [row for row in report.rows if row.method == method]
        points = [
            ChartPoint(
                row.cost.milliseconds,
                row.f2,
                row.f2_interval,
                row.layer,
                labelled=method == report.method and (row.layer == report.layer or row.behind == 0),
            )
            for row in rows
        ]
        series += [ChartSeries(name, points, "dots")] if points else []
    titles = ChartTitles(f"{report.backbone}: proposed is {report.layer}", "milliseconds a chip on one core", "F2")
    return line_chart(titles, series)

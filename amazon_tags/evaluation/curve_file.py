"""The CSV file that `amazon_tags curve -o FILE` writes, read back and drawn."""

from math import isfinite
from pathlib import Path

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.tables import csv_rows

METRICS = {"f2": "F2", "mean_average_precision": "mean average precision"}  # those that are drawn
COLUMNS = ("shots", "chips", "metric", "value", "low", "high")


def learning_curve(path: Path) -> str:
    """Return the chart of a learning curve as SVG.

    Raises:
        ValueError: the file is not one that `curve` wrote.
    """
    rows = csv_rows.read(path, COLUMNS)
    places = [rows.columns.index(name) for name in COLUMNS]
    points: dict[str, list[ChartPoint]] = {metric: [] for metric in METRICS}
    for line, cells in zip(rows.lines, rows.cells, strict=True):
        shots, chips, metric, *numbers = (cells[place] for place in places)
        if metric in METRICS:
            points[metric].append(_point(path, line, shots, [chips, *numbers]))

    series = [ChartSeries(name, points[metric]) for metric, name in METRICS.items() if points[metric]]
    if not series:
        raise ValueError(f"{path} has no row of the metric f2; name the CSV file that amazon_tags curve -o FILE wrote.")
    return line_chart(ChartTitles("Scores of held-out chips", "labelled chips", "score", log_x=True), series)


def _point(path: Path, line: int, shots: str, cells: list[str]) -> ChartPoint:
    try:
        chips, value, low, high = map(float, cells)
    except ValueError:
        chips = value = low = high = float("nan")
    if not all(map(isfinite, (chips, value, low, high))) or chips <= 0:
        raise ValueError(
            f"{path}, line {line}: {', '.join(cells)} are not a number of chips, a value and its interval; name the "
            "CSV file that amazon_tags curve -o FILE wrote."
        )
    return ChartPoint(chips, value, (low, high), f"{shots} shots")

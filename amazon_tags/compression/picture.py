"""The picture of `amazon_tags compress`: F2 of every measured network by its time and by its size."""

from collections.abc import Sequence

from amazon_tags.compression.measured import Kind, MeasuredPoint, interval
from amazon_tags.evaluation.line_chart import (
    ChartPoint,
    ChartSeries,
    ChartTitles,
    Mark,
    line_chart,
    stacked_charts,
)

MEBIBYTE = 2**20
WIDE = 8  # the largest figure of an axis by its smallest, beyond which the axis is logarithmic
MARKS: dict[Kind, Mark] = {"pruned": "circle", "int8": "square", "beside": "diamond"}


def compression_picture(title: str, measured: Sequence[MeasuredPoint]) -> str:
    """Return F2 over time and over gzipped bytes, with the Pareto front of each, as an SVG document."""
    times = [point.cost.milliseconds for point in measured]
    sizes = [point.cost.gzipped / MEBIBYTE for point in measured]
    charts = [
        _chart("time", "measured milliseconds a chip on one core", times, measured),
        _chart("size", "measured MiB, gzipped", sizes, measured),
    ]
    return stacked_charts(title, charts)


def _chart(subject: str, x_title: str, x: Sequence[float], measured: Sequence[MeasuredPoint]) -> str:
    f2 = [point.after.f2 for point in measured]
    front = sorted((place for place in range(len(x)) if not _is_beaten(place, x, f2)), key=lambda place: x[place])
    series = [ChartSeries("Pareto front", [ChartPoint(x[place], f2[place]) for place in front], "line")]
    keys = [(point.kind, point.point.strategy) for point in measured]
    for kind, name in dict.fromkeys(keys):
        places = [place for place, key in enumerate(keys) if key == (kind, name)]
        points = [_chart_point(measured[place], x[place], is_best=place in front) for place in places]
        series.append(ChartSeries(name, points, "dots", MARKS[kind]))
    y_title = "F2, of pruned networks after fine-tuning"
    is_wide = max(x) > WIDE * min(x)
    return line_chart(ChartTitles(f"F2 by {subject}, with 95 % intervals", x_title, y_title, log_x=is_wide), series)


def _chart_point(point: MeasuredPoint, x: float, *, is_best: bool) -> ChartPoint:
    """Return a point of the chart; names stand at those of the front, and at all that were not pruned."""
    is_named = is_best or point.kind != "pruned"
    return ChartPoint(x, point.after.f2, interval(point.after.f2_draws), point.point.title, labelled=is_named)


def _is_beaten(place: int, x: Sequence[float], f2: Sequence[float]) -> bool:
    return any(
        x[other] <= x[place] and f2[other] >= f2[place] and (x[other], f2[other]) != (x[place], f2[place])
        for other in range(len(x))
    )

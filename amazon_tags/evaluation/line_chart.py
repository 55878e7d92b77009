"""A small line chart as self-contained SVG: points with intervals, and lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from amazon_tags.evaluation.chart_names import CHARACTER_PIXELS, place_names

WIDTH, HEIGHT = 720, 440  # pixels
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 58, 50  # margins in pixels, which hold the titles and the axes
# Of the series, in their order.
COLOURS = (
    *("#1b6b3a", "#b3541e", "#2b5c9e", "#7a3f98", "#8a6d00", "#b0236f", "#00707a", "#555555"),
    *("#111111", "#b00020"),
)
LEGEND_STEP, LEGEND_LINE = 200, 20  # pixels between the names of series, side by side or below one another
TICKS = 6  # on an axis, about
MAX_LOG_TICKS = 16  # on a logarithmic axis, whose numbers would touch one another beyond
# Attributes, since the policy of a page forbids style sheets but its own.
TEXT = {"font-family": "system-ui,sans-serif", "font-size": "12", "fill": "#333"}  # of the whole picture
TITLE = {"font-weight": "600", "font-size": "14"}
GRID = {"stroke": "#ddd"}
LEADER = {"stroke": "#777", "stroke-width": "0.8"}  # from a name to its point
HALO = {"paint-order": "stroke", "stroke": "#fff", "stroke-width": "3"}  # keeps a name readable over other points

Mark = Literal["circle", "square", "diamond"]


@dataclass(frozen=True)
class ChartPoint:
    """A point with the ends of its interval in y, if it has one; a named point shows its name where a mouse rests.

    `labelled` writes the name beside the point.
    """

    x: float
    y: float
    interval: tuple[float, float] | None = None
    name: str = ""
    labelled: bool = False


@dataclass(frozen=True)
class ChartSeries:
    """Points of one colour and mark, joined by a line (`kind` is line), drawn as dots, or as both."""

    name: str
    points: Sequence[ChartPoint]
    kind: str = "both"  # or line, dots
    mark: Mark = "circle"


@dataclass(frozen=True)
class ChartTitles:
    """The texts of a chart; `log_x` and `log_y` make an axis logarithmic."""

    chart: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


Scale = Callable[[float], float]  # from a value to pixels


def line_chart(titles: ChartTitles, series: Sequence[ChartSeries]) -> str:
    """Return an SVG document.

    Args:
        titles: of the chart and its axes.
        series: at least one of them with a point; values are positive on a logarithmic axis.
    """
    points = [point for one in series for point in one.points]
    xs = [point.x for point in points]
    ys = [value for point in points for value in (point.y, *(point.interval or ()))]
    x_ticks = _log_ticks(min(xs), max(xs)) if titles.log_x else ticks(min(0.0, *xs), max(xs))
    y_ticks = (_log_ticks if titles.log_y else ticks)(min(ys), max(ys))
    across = _scale(x_ticks, LEFT, WIDTH - RIGHT, log=titles.log_x)
    up = _scale(y_ticks, HEIGHT - BOTTOM, TOP, log=titles.log_y)

    places = _legend_places([one.name for one in series])
    height = max(HEIGHT, *(int(y) + LEGEND_LINE for _, y in places))
    root = Element("svg", TEXT, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    SubElement(root, "title").text = titles.chart
    SubElement(root, "rect", width=str(WIDTH), height=str(height), fill="#fff")
    _draw_axes(root, titles, [(tick, across(tick)) for tick in x_ticks], [(tick, up(tick)) for tick in y_ticks])
    for number, (one, (x, y)) in enumerate(zip(series, places, strict=True)):
        colour = _colour(number)
        _draw_series(root, one, colour, across, up)
        _text(root, one.name, x + 16, y)
        if one.kind == "line":
            ends = {"x1": str(x), "x2": str(x + 12), "y1": str(y - 4), "y2": str(y - 4)}
            SubElement(root, "line", {**ends, "stroke": colour, "stroke-width": "2"})
        else:
            _draw_mark(root, one.mark, str(x + 6), str(y - 4), 5, colour)
    _draw_names(root, series, across, up)  # after all series, or their points would lie over them
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def stacked_charts(title: str, charts: Sequence[str]) -> str:
    """Return one SVG document with several below one another."""
    parts = [ElementTree.fromstring(chart) for chart in charts]  # noqa: S314  our own
    heights = [int(part.get("viewBox", "").split()[3]) for part in parts]
    root = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {sum(heights)}", role="img")
    SubElement(root, "title").text = title
    for number, (part, height) in enumerate(zip(parts, heights, strict=True)):
        part.attrib.update(y=str(sum(heights[:number])), width=str(WIDTH), height=str(height))
        root.append(part)
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _legend_places(names: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the names of series stand: side by side above the plot, or where they are too long, below it."""
    across = [LEFT + LEGEND_STEP * number for number in range(len(names))]
    room = [min(LEGEND_STEP, WIDTH - x) - LEGEND_LINE for x in across]
    if all(CHARACTER_PIXELS * len(name) <= pixels for name, pixels in zip(names, room, strict=True)):
        return [(x, TOP - 12) for x in across]
    return [(LEFT, HEIGHT + LEGEND_LINE * number) for number in range(1, len(names) + 1)]


def _draw_axes(
    root: Element, titles: ChartTitles, x_ticks: Sequence[tuple[float, float]], y_ticks: Sequence[tuple[float, float]]
) -> None:
    """Draw the grid, the numbers and the titles; ticks are values with their places in pixels."""
    for value, x in x_ticks:
        SubElement(root, "line", GRID, x1=f"{x:.1f}", x2=f"{x:.1f}", y1=str(TOP), y2=str(HEIGHT - BOTTOM))
        _text(root, f"{value:g}", x, HEIGHT - BOTTOM + 18, anchor="middle")
    for value, y in y_ticks:
        SubElement(root, "line", GRID, x1=str(LEFT), x2=str(WIDTH - RIGHT), y1=f"{y:.1f}", y2=f"{y:.1f}")
        _text(root, f"{value:g}", LEFT - 8, y + 4, anchor="end")
    _text(root, titles.chart, LEFT, 22).attrib.update(TITLE)
    _text(root, titles.x, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, anchor="middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    _text(root, titles.y, 18, middle, anchor="middle").set("transform", f"rotate(-90 18 {middle:g})")


def _draw_series(root: Element, series: ChartSeries, colour: str, across: Scale, up: Scale) -> None:
    places = [(across(point.x), up(point.y)) for point in series.points]
    if series.kind in ("line", "both") and len(places) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        SubElement(root, "polyline", {"points": path, "fill": "none", "stroke": colour, "stroke-width": "1.5"})
    for point, (x, y) in zip(series.points, places, strict=True) if series.kind != "line" else ():
        group = SubElement(root, "g")
        SubElement(group, "title").text = f"{point.name} {point.y:.4f}".strip()
        if point.interval:
            low, high = (up(end) for end in point.interval)
            SubElement(group, "line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=f"{low:.1f}", y2=f"{high:.1f}", stroke=colour)
        _draw_mark(group, series.mark, f"{x:.1f}", f"{y:.1f}", 4, colour)


def _draw_mark(parent: Element, mark: Mark, x: str, y: str, size: int, colour: str) -> None:
    """Draw a mark around a place; `size` is the radius of a circle, and the others cover about as much."""
    if mark == "circle":
        SubElement(parent, "circle", cx=x, cy=y, r=str(size), fill=colour)
        return
    side = 2 * size
    square = {"x": f"{float(x) - size:g}", "y": f"{float(y) - size:g}", "width": str(side), "height": str(side)}
    turned = {"transform": f"rotate(45 {x} {y})"} if mark == "diamond" else {}
    SubElement(parent, "rect", {**square, "fill": colour, **turned})


def _draw_names(root: Element, series: Sequence[ChartSeries], across: Scale, up: Scale) -> None:
    """Write names in the colours of their points, with a line to points that are far away."""
    points = [(point, _colour(number)) for number, one in enumerate(series) for point in one.points]
    marks = [(across(point.x), up(point.y)) for point, _ in points]
    labelled = [row for row, (point, _) in enumerate(points) if point.labelled]
    plot = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    places = place_names([(points[row][0].name, *marks[row]) for row in labelled], marks, plot)
    for row, place in zip(labelled, places, strict=True):
        if place.is_far:
            (x, y), foot = marks[row], place.y - 4
            SubElement(root, "line", LEADER, x1=f"{x:.1f}", y1=f"{y:.1f}", x2=f"{place.x:.1f}", y2=f"{foot:.1f}")
    for row, place in zip(labelled, places, strict=True):
        name = _text(root, place.text, place.x, place.y, anchor=place.anchor)
        name.attrib.update({**HALO, "fill": points[row][1]})


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _text(parent: Element, text: str, x: float, y: float, *, anchor: str = "start") -> Element:
    element = SubElement(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    element.text = text
    return element


def _scale(ticks: Sequence[float], first: float, last: float, *, log: bool = False) -> Scale:
    """Return the map from the span of ticks to that of pixels."""
    low, high = (log10(end) if log else end for end in (ticks[0], ticks[-1]))
    return lambda value: first + (last - first) * ((log10(value) if log else value) - low) / (high - low)


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Return about `count` round numbers, at least two, that enclose the values."""
    span = high - low or abs(high) or 1.0
    rough = span / (count - 1)
    unit = 10 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(place * step, 10) + 0.0 for place in range(first, max(last, first + 1) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return numbers 1, 2 and 5 times powers of ten, at least two, that enclose the positive values.

    Where these are too many to read, return powers of ten in equal steps.
    """
    powers = range(floor(log10(low)) - 1, ceil(log10(high)) + 2)
    steps = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    first = max(place for place, step in enumerate(steps) if step <= low)
    last = min(place for place, step in enumerate(steps) if step >= high and place > first)
    if last - first < MAX_LOG_TICKS:
        return steps[first : last + 1]
    low_power, high_power = floor(log10(low)), ceil(log10(high))
    stride = -(-(high_power - low_power) // TICKS)
    return [10.0**power for power in range(low_power, high_power + stride, stride)]

"""A picture of shares with their intervals, two of each label, as self-contained SVG."""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from amazon_tags.evaluation.line_chart import COLOURS, GRID, TEXT, TITLE, WIDTH

LEFT, RIGHT, TOP, BOTTOM = 170, 20, 64, 30  # margins in pixels, which hold the names, the titles and the numbers
ROW = 26  # pixels a label
APART = 8  # pixels between the two intervals of a label
MAX_NAME = 24  # characters of a label that fit


@dataclass(frozen=True)
class ChartInterval:
    """A share and the ends of its interval, each from 0 to 1."""

    value: float
    low: float
    high: float


def interval_chart(title: str, rows: Mapping[str, Mapping[str, ChartInterval]]) -> str:
    """Return an SVG document of intervals, by row and by what they are of (two kinds at most, in the same order)."""
    height = TOP + ROW * len(rows) + BOTTOM
    root = Element("svg", TEXT, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    SubElement(root, "title").text = title
    SubElement(root, "text", TITLE, x="10", y="20").text = title
    kinds = list(dict.fromkeys(kind for row in rows.values() for kind in row))
    for place, kind in enumerate(kinds):
        x = LEFT + 110 * place
        SubElement(root, "circle", cx=f"{x}", cy="40", r="4", fill=COLOURS[place])
        SubElement(root, "text", x=f"{x + 10}", y="44").text = kind
    _draw_grid(root, height)
    for place, (name, row) in enumerate(rows.items()):
        middle = TOP + ROW * (place + 0.5)
        shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
        SubElement(root, "text", {"text-anchor": "end"}, x=f"{LEFT - 10}", y=f"{middle + 4:g}").text = shown
        for kind, interval in row.items():
            above = APART * (kinds.index(kind) - (len(kinds) - 1) / 2)
            _draw_interval(root, f"{name}, {kind}", interval, middle + above, COLOURS[kinds.index(kind)])
    return ElementTree.tostring(root, encoding="unicode")


def _draw_grid(root: Element, height: int) -> None:
    for tenth in range(0, 11, 2):
        x = f"{_across(tenth / 10):.1f}"
        SubElement(root, "line", GRID, x1=x, x2=x, y1=f"{TOP}", y2=f"{height - BOTTOM}")
        SubElement(root, "text", {"text-anchor": "middle"}, x=x, y=f"{height - 10}").text = f"{tenth / 10:g}"


def _draw_interval(root: Element, name: str, interval: ChartInterval, y: float, colour: str) -> None:
    low, high, middle = (f"{_across(share):.1f}" for share in (interval.low, interval.high, interval.value))
    SubElement(root, "line", {"stroke": colour, "stroke-width": "2"}, x1=low, x2=high, y1=f"{y:g}", y2=f"{y:g}")
    point = SubElement(root, "circle", cx=middle, cy=f"{y:g}", r="4", fill=colour)
    SubElement(point, "title").text = f"{name}: {interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _across(share: float) -> float:
    return LEFT + share * (WIDTH - RIGHT - LEFT)

"""A small picture of one curve with its band, as self-contained SVG; a page shows two for each label."""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from amazon_tags.evaluation.line_chart import COLOURS, GRID, ticks
from amazon_tags.evaluation.threshold_curves import Band
from ensemble.arrays import Floats

WIDTH, HEIGHT = 280, 180  # pixels
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 10, 36  # margins in pixels, which hold the numbers and the titles
TEXT = {"font-family": "system-ui,sans-serif", "font-size": "11", "fill": "#57615a"}
MARK = {"class": "threshold-mark", "stroke": "#a33a12", "stroke-width": "1.5", "stroke-dasharray": "4 3"}
FEW_TICKS = 4


def small_chart(
    name: str, band: Band, titles: tuple[str, str], *, span: tuple[float, float], mark: float | None = None
) -> str:
    """Return an SVG document of a curve whose x is from 0 to 1.

    Args:
        name: what a screen reader says of it.
        band: the curve.
        titles: of the axes, x and y.
        span: of y that is seen at least; the curve ends at its border where it leaves it.
        mark: the x of a dashed vertical line, which a page may move.
    """
    root = Element("svg", TEXT, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
    SubElement(root, "title").text = name
    x_ticks = [0.0, 0.5, 1.0]
    y_ticks = ticks(*span, FEW_TICKS)
    x = np.interp(band.x, [0, 1], [LEFT, WIDTH - RIGHT])
    y, low, high = (
        np.interp(values, [y_ticks[0], y_ticks[-1]], [HEIGHT - BOTTOM, TOP]) for values in (band.y, band.low, band.high)
    )

    _draw_axes(root, titles, x_ticks, y_ticks)
    outline = _points(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))
    SubElement(root, "polygon", {"points": outline, "fill": COLOURS[0], "fill-opacity": "0.18"})
    line = {"fill": "none", "stroke": COLOURS[0], "stroke-width": "1.5"}
    SubElement(root, "polyline", {"points": _points(x, y), **line})
    if len(x) == 1:  # a line of one point is not seen
        SubElement(root, "circle", cx=f"{x[0]:.1f}", cy=f"{y[0]:.1f}", r="3", fill=COLOURS[0])
    if mark is not None:
        ends = {"data-left": str(LEFT), "data-right": str(WIDTH - RIGHT)}  # where 0 and 1 are, for the page
        place = f"{np.interp(mark, [0, 1], [LEFT, WIDTH - RIGHT]):.1f}"
        SubElement(root, "line", {**MARK, **ends}, x1=place, x2=place, y1=str(TOP), y2=str(HEIGHT - BOTTOM))
    return ElementTree.tostring(root, encoding="unicode")


def _draw_axes(root: Element, titles: tuple[str, str], x_ticks: Sequence[float], y_ticks: Sequence[float]) -> None:
    """Draw the grid, the numbers and the titles."""
    across = np.interp(x_ticks, [0, 1], [LEFT, WIDTH - RIGHT])
    up = np.interp(y_ticks, [y_ticks[0], y_ticks[-1]], [HEIGHT - BOTTOM, TOP])
    for value, x in zip(x_ticks, across.tolist(), strict=True):
        SubElement(root, "line", GRID, x1=f"{x:.1f}", x2=f"{x:.1f}", y1=str(TOP), y2=str(HEIGHT - BOTTOM))
        _text(root, f"{value:g}", x, HEIGHT - BOTTOM + 14, "middle")
    for value, y in zip(y_ticks, up.tolist(), strict=True):
        SubElement(root, "line", GRID, x1=str(LEFT), x2=str(WIDTH - RIGHT), y1=f"{y:.1f}", y2=f"{y:.1f}")
        _text(root, f"{value:g}", LEFT - 5, y + 4, "end")
    _text(root, titles[0], (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    _text(root, titles[1], 11, middle, "middle").set("transform", f"rotate(-90 11 {middle:g})")


def _text(parent: Element, text: str, x: float, y: float, anchor: str) -> Element:
    element = SubElement(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    element.text = text
    return element


def _points(x: Floats, y: Floats) -> str:
    return " ".join(f"{across:.1f},{up:.1f}" for across, up in zip(x, y, strict=True))

"""A matrix of values as a picture: self-contained SVG, with the names of rows and columns and a scale of colours."""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from amazon_tags.evaluation.line_chart import TEXT, TITLE
from ensemble.arrays import Floats

CELL_PIXELS, SMALL_CELL_PIXELS = 46, 14  # a side; small ones have no number in them
MAX_NUMBERED = 20  # rows or columns, above which cells are small
CHARACTER_PIXELS = 7  # of a name, at most
TITLE_CHARACTER_PIXELS = 9  # it is bold and larger
LOW, HIGH = (247, 247, 240), (27, 107, 58)  # colours of the least and the greatest value
MISSING = "#ddd"


def heat_map(title: str, rows: Sequence[str], columns: Sequence[str], values: Floats) -> str:
    """Return an SVG document of values (rows, columns); NaN cells are grey.

    Each cell shows its value, or where cells are small, when a mouse rests on it.
    """
    is_small = max(len(rows), len(columns)) > MAX_NUMBERED
    cell = SMALL_CELL_PIXELS if is_small else CELL_PIXELS
    left = 20 + CHARACTER_PIXELS * max(map(len, rows))
    top = 50 + CHARACTER_PIXELS * max(map(len, columns))
    width, height = (
        max(left + cell * len(columns) + 20, 40 + TITLE_CHARACTER_PIXELS * len(title)),
        top + cell * len(rows) + 20,
    )
    view_box = f"0 0 {width} {height}"
    size = {"width": str(width), "height": str(height), "viewBox": view_box}  # without a size a page would enlarge it
    root = Element("svg", {**size, **TEXT}, xmlns="http://www.w3.org/2000/svg", role="img")
    SubElement(root, "title").text = title
    SubElement(root, "rect", width=str(width), height=str(height), fill="#fff")
    _text(root, title, 20, 22, TITLE)
    for number, name in enumerate(columns):
        x = left + cell * (number + 0.5) + 4
        _text(root, name, x, top - 8, {"transform": f"rotate(-90 {x:g} {top - 8})"})
    for number, name in enumerate(rows):
        _text(root, name, left - 8, top + cell * (number + 0.5) + 4, {"text-anchor": "end"})

    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    for row, column in np.ndindex(values.shape):
        value = float(values[row, column])
        shade = (value - low) / (high - low) if high > low else 0.0
        group = SubElement(root, "g")
        SubElement(group, "title").text = f"{rows[row]}, {columns[column]}: {value:.4f}"
        x, y = left + cell * column, top + cell * row
        SubElement(group, "rect", x=str(x), y=str(y), width=str(cell), height=str(cell), fill=colour_of(shade))
        if not is_small and not np.isnan(value):
            place = {"text-anchor": "middle", "fill": "#fff" if shade > 0.6 else TEXT["fill"]}
            _text(group, f"{value:.2f}", x + cell / 2, y + cell / 2 + 4, place)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def colour_of(shade: float) -> str:
    """Return the colour of a value, from 0 for the least to 1 for the greatest, or of a missing one, NaN."""
    if np.isnan(shade):
        return MISSING
    return "#" + "".join(f"{round(low + (high - low) * shade):02x}" for low, high in zip(LOW, HIGH, strict=True))


def _text(parent: Element, text: str, x: float, y: float, attributes: dict[str, str]) -> None:
    SubElement(parent, "text", {"x": f"{x:g}", "y": f"{y:g}", **attributes}).text = text

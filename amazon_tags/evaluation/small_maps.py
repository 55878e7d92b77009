"""Groups of small square heat maps, as self-contained SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from amazon_tags.evaluation.heat_map import colour_of
from amazon_tags.evaluation.line_chart import TEXT, TITLE
from ensemble.arrays import Floats

MAP_PIXELS, GAP_PIXELS = 96, 8  # a side; between the maps of a group
GROUP_GAP_PIXELS = 36  # between groups
GROUP_ROW_PIXELS = MAP_PIXELS + 60  # a group with its name above, and its labels below
GROUPS_A_ROW = 3
TOP = 40  # pixels, which hold the title


@dataclass(frozen=True)
class MapGroup:
    """Maps that are drawn side by side, in one scale of their own.

    Attributes:
        name: of the group.
        maps: by label, values (rows, columns), NaN where there is none; each group has as many.
    """

    name: str
    maps: Mapping[str, Floats]


def small_maps(title: str, groups: Sequence[MapGroup]) -> str:
    """Return an SVG document; the darkest cell of a group is its largest, and a cell shows its value under a mouse."""
    step = len(groups[0].maps) * (MAP_PIXELS + GAP_PIXELS) + GROUP_GAP_PIXELS
    width, height = 20 + GROUPS_A_ROW * step, TOP + -(-len(groups) // GROUPS_A_ROW) * GROUP_ROW_PIXELS
    root = Element("svg", TEXT, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
    SubElement(root, "title").text = title
    SubElement(root, "rect", width=str(width), height=str(height), fill="#fff")
    SubElement(root, "text", {"x": "20", "y": "22", **TITLE}).text = title

    for number, group in enumerate(groups):
        row, column = divmod(number, GROUPS_A_ROW)
        _draw_group(root, group, 20 + step * column, TOP + 14 + GROUP_ROW_PIXELS * row)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _draw_group(root: Element, group: MapGroup, left: int, top: int) -> None:
    SubElement(root, "text", x=str(left), y=str(top - 5)).text = group.name
    known = np.concatenate([values[~np.isnan(values)] for values in group.maps.values()])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    for label, values in group.maps.items():
        SubElement(root, "text", x=str(left), y=str(top + MAP_PIXELS + 15)).text = label
        cell = MAP_PIXELS / len(values)
        for row, column in np.ndindex(values.shape):
            value = float(values[row, column])
            place = {"x": f"{left + cell * column:g}", "y": f"{top + cell * row:g}"}
            colour = colour_of((value - low) / (high - low) if high > low else 0.0)
            square = SubElement(root, "rect", {**place, "width": f"{cell:g}", "height": f"{cell:g}"}, fill=colour)
            SubElement(square, "title").text = f"{group.name}, {label}, row {row + 1}, column {column + 1}: {value:.4f}"
        left += MAP_PIXELS + GAP_PIXELS

"""Write a style of QGIS 3 (QML) for the polygons of a map: a rule a tag, in the colour of the tag.

A polygon shows its first tag in the legend, which begins with the tag that the fewest polygons have. Rules are drawn
over each other, so a tag that is switched off in the legend uncovers the next one. Structure: `readSymbology` of
QgsVectorLayer and `create` of QgsRuleBasedRenderer, QGIS 3.22.
"""

import colorsys
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from amazon_tags.maps.cells import MapCells
from amazon_tags.tables.labels import LabelSpace

DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
QGIS_VERSION = "3.22.0"  # whose form of symbols is written; later versions read it
POLYGON = "2"  # QGIS's number of the geometry
OPACITY = "0.6"  # of the layer, so that the scene below stays visible
# GeoJSON holds a list of tags, other formats one text.
HAS_TAG = "array_contains(try(array_cat(\"tags\"), string_to_array(\"tags\", ' ')), '{}')"
OTHERS = "ELSE"  # QGIS's filter of features that no other rule takes
EDGE = {"outline_color": "255,255,255,160", "outline_width": "0.1", "outline_width_unit": "MM"}
NO_TAGS = {"style": "no", **EDGE, "outline_color": "120,120,120,255"}

COLOURS = {  # of the planet label space, as they look or as maps show them
    "agriculture": "#e6c229",
    "artisinal_mine": "#ff5da2",
    "bare_ground": "#a67c52",
    "blooming": "#ffff66",
    "blow_down": "#7b3f9e",
    "clear": "#f5f5f5",
    "cloudy": "#9e9e9e",
    "conventional_mine": "#c2185b",
    "cultivation": "#b5d334",
    "habitation": "#e41a1c",
    "haze": "#b8c8da",
    "partly_cloudy": "#cfcfcf",
    "primary": "#1b7837",
    "road": "#ff7f00",
    "selective_logging": "#8c2d04",
    "slash_burn": "#2b2b2b",
    "water": "#2b7bba",
}
GOLDEN = 0.618034  # of a turn between the hues of other labels, so that neighbours differ (golden ratio)


def encode(cells: MapCells, space: LabelSpace) -> bytes:
    """Return the bytes of a QML file with a rule for each tag that a cell has."""
    root = Element("qgis", version=QGIS_VERSION, styleCategories="Symbology|Rendering")
    renderer = SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="1", forceraster="0")
    rules = SubElement(renderer, "rules", key="rules")
    symbols = SubElement(renderer, "symbols")

    names = [space.names[label] for label in legend(cells, space)]
    for place, name in enumerate(names):
        fill = {"color": "{},{},{},255".format(*colour(name, space)), "style": "solid", **EDGE}
        quoted = name.replace("\\", "\\\\").replace("'", "''")
        SubElement(rules, "rule", key=f"rule{place}", symbol=str(place), label=name, filter=HAS_TAG.format(quoted))
        symbols.append(_symbol(place, len(names) - place, fill))
    place = len(names)
    SubElement(rules, "rule", key=f"rule{place}", symbol=str(place), label="no tags", filter=OTHERS)
    symbols.append(_symbol(place, 0, NO_TAGS))

    SubElement(root, "layerOpacity").text = OPACITY
    SubElement(root, "layerGeometryType").text = POLYGON
    ElementTree.indent(root)
    return (DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def legend(cells: MapCells, space: LabelSpace) -> list[int]:
    """Return the labels that are tags of a cell, the rarest first; those of groups, one of which always holds, last."""
    counts = cells.tags.sum(axis=0)
    grouped = {name for group in space.groups for name in group}
    found = [label for label in range(len(space.names)) if counts[label]]
    return sorted(found, key=lambda label: (space.names[label] in grouped, counts[label]))


def _symbol(place: int, level: int, properties: dict[str, str]) -> Element:
    """Return a symbol of one fill; symbols of higher levels are drawn over others."""
    symbol = Element("symbol", name=str(place), type="fill", alpha="1", clip_to_extent="1", force_rhr="0")
    layer = SubElement(symbol, "layer", {"class": "SimpleFill", "pass": str(level), "locked": "0", "enabled": "1"})
    options = SubElement(layer, "Option", type="Map")
    for name, value in properties.items():
        SubElement(options, "Option", name=name, type="QString", value=value)
    return symbol


def colour(name: str, space: LabelSpace) -> tuple[int, int, int]:
    """Return red, green and blue of a label, each from 0 to 255."""
    if name in COLOURS:
        red, green, blue = bytes.fromhex(COLOURS[name][1:])
    else:
        hue = space.names.index(name) * GOLDEN % 1
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.65, 0.85))
    return red, green, blue

"""The style of a map for QGIS: the structure that QGIS 3 reads, and the order of the tags."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from amazon_tags.maps import map_style
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.maps.plan import MapSettings
from amazon_tags.prediction.tag_chips import TagOptions
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from features.scenes.scene import WITHOUT_POSITION, Scene
from tests.scene_files import noise, write_scene

CHIPS = ["primary clear road", "primary clear water road", "primary cloudy", "primary clear blow_down water road", ""]


def cells(tags, space=labels.PLANET):
    """The cells of a map with these tags."""
    rows = np.array([labels.encode(space, chip.split()) for chip in tags])
    scene = Scene((Path("scene.jpg"),), 256, 256, 3, "uint8", None, WITHOUT_POSITION, lambda part: None)
    boxes = [(256 * place, 0, 256 * place + 256, 256) for place in range(len(rows))]
    return MapCells(scene, boxes, rows.astype(np.float32), rows, np.ones(len(rows)), np.ones(len(rows)))


def written(tags, space=labels.PLANET):
    """The root element, the rules, and the symbols by name."""
    content = map_style.encode(cells(tags, space), space)
    assert content == map_style.encode(cells(tags, space), space)
    root = ElementTree.fromstring(content)  # noqa: S314  our own file
    renderer = root.find("renderer-v2")
    symbols = {symbol.get("name"): symbol for symbol in renderer.find("symbols")}
    return root, renderer.find("rules").findall("rule"), symbols


def options(symbol):
    return {option.get("name"): option.get("value") for option in symbol.findall("layer/Option/Option")}


def test_the_legend_begins_with_the_rarest_tag_and_ends_with_the_tags_one_of_which_always_holds():
    _, rules, _ = written(CHIPS)
    names = [rule.get("label") for rule in rules]
    assert names == ["blow_down", "water", "road", "primary", "cloudy", "clear", "no tags"]
    assert rules[-1].get("filter") == "ELSE"


def test_earlier_tags_are_drawn_over_later_ones():
    root, rules, symbols = written(CHIPS)
    assert root.find("renderer-v2").attrib == {"type": "RuleRenderer", "symbollevels": "1", "forceraster": "0"}
    levels = [int(symbols[rule.get("symbol")].find("layer").get("pass")) for rule in rules]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == len(rules)


def test_every_rule_has_a_key_and_a_symbol_of_its_own():
    root, rules, symbols = written(CHIPS)
    assert root.tag == "qgis"
    assert root.get("version").startswith("3.")
    assert root.findtext("layerGeometryType") == "2"
    assert float(root.findtext("layerOpacity")) == 0.6
    assert len({rule.get("key") for rule in rules}) == len(rules)
    assert sorted(rule.get("symbol") for rule in rules) == sorted(symbols)
    for symbol in symbols.values():
        assert symbol.get("type") == "fill"
        (layer,) = symbol.findall("layer")
        assert (layer.get("class"), layer.get("enabled")) == ("SimpleFill", "1")
        assert layer.find("Option").get("type") == "Map"
        assert options(symbol)["outline_width_unit"] == "MM"


def test_colours_are_those_of_the_table_and_differ_for_other_labels():
    _, rules, symbols = written(CHIPS)
    by_name = {rule.get("label"): options(symbols[rule.get("symbol")]) for rule in rules}
    assert by_name["water"]["color"] == "43,123,186,255"
    assert by_name["no tags"]["style"] == "no"
    assert set(map_style.COLOURS) == set(labels.PLANET.names)
    assert len(set(map_style.COLOURS.values())) == len(labels.PLANET.names)

    space = LabelSpace("table", tuple(f"class_{number}" for number in range(20)))
    _, rules, symbols = written([" ".join(space.names)], space)
    assert len({options(symbols[rule.get("symbol")]).get("color") for rule in rules[:-1]}) == 20


@pytest.mark.parametrize(
    ("name", "text"),
    [("road", "'road'"), ("l'eau", "'l''eau'"), ("a\\b", "'a\\\\b'"), ("a<b&c>", "'a<b&c>'"), ("água", "'água'")],
)
def test_a_filter_asks_for_the_whole_tag_in_quotes_of_qgis(name, text):
    space = LabelSpace("table", (name, "other"))
    _, (rule, other), _ = written([name], space)
    assert rule.get("label") == name
    column = 'array_contains(try(array_cat("tags"), string_to_array("tags", \' \')), '
    assert rule.get("filter") == f"{column}{text})"
    assert other.get("label") == "no tags"


def test_the_command_writes_the_style_of_its_map(run, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200))
    done = run("map", scene, "--pixels", 64, "-o", tmp_path / "tags.parquet", "--style", tmp_path / "tags.qml")
    assert done.returncode == 0, done.stderr
    settings = MapOptions(MapSettings(pixels=64), TagOptions(), style=tmp_path / "again.qml")
    map_scenes([scene], tmp_path / "again.parquet", options=settings)
    assert (tmp_path / "tags.qml").read_bytes() == (tmp_path / "again.qml").read_bytes()
    assert b'label="primary"' in (tmp_path / "tags.qml").read_bytes()

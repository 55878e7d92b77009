"""The STAC item of a map, by the models of the specification's own packages."""

import json
from datetime import UTC, datetime

import pytest
import rasterio
from stac_model.schema import MLModelProperties
from stac_pydantic import Item

from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.maps.plan import MapSettings
from tests.scene_files import noise, write_scene

DATE = datetime(2024, 6, 1, 13, 30, tzinfo=UTC)


@pytest.fixture
def make(tmp_path, model):
    """A function that maps a scene and returns its item."""

    def make(scene):
        item = tmp_path / "items" / "tags.json"
        item.parent.mkdir(exist_ok=True)
        options = MapOptions(
            MapSettings(pixels=256), cog=tmp_path / "scores.tif", style=tmp_path / "tags.qml", stac=item, date=DATE
        )
        map_scenes([scene], item.parent / "tags.geojson", model=model, options=options)
        return json.loads(item.read_text())

    return make


def test_the_item_and_its_model_are_valid(make, tmp_path):
    item = make(write_scene(tmp_path / "scene.tif", noise(300, 520)))
    Item.model_validate(item)
    pairs = item["properties"].items()
    properties = {key.removeprefix("mlm:"): value for key, value in pairs if key.startswith("mlm:")}
    described = MLModelProperties.model_validate(properties)
    assert [one.name for one in described.output[0].classes][:2] == ["agriculture", "artisinal_mine"]
    assert described.input[0].input.shape[1:3] == [64, 64]
    with pytest.raises(ValueError, match="Field required"):
        MLModelProperties.model_validate(properties | {"input": [{"name": "chip", "bands": []}]})


def test_the_item_says_where_the_scene_and_its_files_are(make, tmp_path):
    path = write_scene(tmp_path / "scene.tif", noise(300, 520))
    item = make(path)
    with rasterio.open(path) as scene:
        expected = rasterio.warp.transform_bounds(scene.crs, "EPSG:4326", *scene.bounds)
        assert item["properties"]["proj:code"] == f"EPSG:{scene.crs.to_epsg()}"
        assert item["properties"]["proj:transform"] == pytest.approx(list(scene.transform[:6]))
    assert item["bbox"] == pytest.approx(expected, abs=1e-5)
    assert item["properties"]["datetime"] == "2024-06-01T13:30:00Z"
    places = {key: asset["href"] for key, asset in item["assets"].items()}
    assert places.pop("model").startswith("urn:sha256:")
    assert places == {"map": "./tags.geojson", "cog": "../scores.tif", "style": "../tags.qml"}
    assert all((tmp_path / "items" / place).exists() for place in places.values())


def test_the_box_of_a_scene_across_the_antimeridian_begins_in_the_east(make, tmp_path):
    transform = rasterio.Affine(0.001, 0, 179.9, 0, -0.001, 1)
    item = make(write_scene(tmp_path / "scene.tif", noise(300, 520), crs="EPSG:4326", transform=transform))
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"] == pytest.approx([179.9, 0.7, -179.58, 1])
    Item.model_validate(item)


def test_a_scene_without_a_position_has_no_geometry(make, tmp_path):
    item = make(write_scene(tmp_path / "scene.tif", noise(300, 520), crs=None, transform=None))
    assert item["geometry"] is None
    assert "bbox" not in item
    Item.model_validate(item)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--stac", "item.json"], 2, "belong together"),
        (["--date", "2024-06-01"], 2, "belong together"),
        (["--stac", "item.json", "--date", "June"], 2, "'June'"),
        (["--stac", "item.txt", "--date", "2024-06-01"], 1, "no suffix of a STAC item"),
    ],
)
def test_an_item_that_cannot_be_written_is_refused_before_the_work(run, tmp_path, words, code, reason):
    write_scene(tmp_path / "scene.tif", noise(300, 520))
    done = run("map", "scene.tif", "-o", "tags.geojson", *words, cwd=tmp_path)
    assert done.returncode == code
    assert reason in done.stderr
    assert not (tmp_path / "tags.geojson").exists()

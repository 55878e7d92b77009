"""Maps as GeoParquet and GeoJSON: values, corners and areas against the transform, whatever the scene's grid."""

import io
import json
import struct

import numpy as np
import pyogrio
import pytest
from pyarrow import parquet as pq
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform as convert

from amazon_tags.maps import map_geojson, map_geopackage, map_parquet, outputs
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.columns import columns
from amazon_tags.tables import labels
from features.images.footprint import apply
from features.scenes.scene import WITHOUT_POSITION, Scene

SPACE = labels.PLANET
BOXES = [(0, 0, 256, 256), (256, 0, 300, 256)]
FOOT = 1200 / 3937

GRIDS = {  # reference system, transform, and the ground of a pixel in square metres
    "north-up": ("EPSG:32721", Affine(3, 0, 600_000, 0, -3, 9_700_000), 9),
    "south-up": ("EPSG:32721", Affine(3, 0, 600_000, 0, 3, 9_700_000), 9),
    "rotated": ("EPSG:32721", Affine(2, 1.5, 600_000, 1.5, -2, 9_700_000), 6.25),
    "feet": ("EPSG:2263", Affine(10, 0, 984_250, 0, -10, 200_000), 100 * FOOT**2),
}


def cells(crs, transform, boxes=BOXES, path="scene.tif"):
    scores = np.random.default_rng(0).random((len(boxes), 17)).astype(np.float32)
    scene = Scene(
        (path,), 300, 256, 3, "uint8", CRS.from_user_input(crs) if crs else None, transform, lambda part: None
    )
    return MapCells(scene, boxes, scores, scores > 0.5, np.full(len(boxes), 0.25), np.linspace(0.5, 1, len(boxes)))


def area(ring):
    """The signed area of a ring: positive if it is anticlockwise."""
    xs, ys = np.array(ring).T - np.array(ring)[0][:, np.newaxis]
    return float(np.sum(xs[:-1] * ys[1:] - xs[1:] * ys[:-1]) / 2)


def wkb_ring(value):
    assert struct.unpack_from("<BIII", value) == (1, 3, 1, 5)
    return [struct.unpack_from("<dd", value, 13 + 16 * place) for place in range(5)]


@pytest.mark.parametrize("name", GRIDS)
def test_parquet_keeps_the_grid_with_its_corners_and_areas(name):
    crs, transform, pixel = GRIDS[name]
    of_map = cells(crs, transform)
    table = pq.read_table(io.BytesIO(map_parquet.encode(of_map, columns(of_map, SPACE))))

    unit = FOOT if name == "feet" else 1
    for value, (left, top, right, bottom), bbox in zip(
        table["geometry"].to_pylist(), BOXES, table["bbox"].to_pylist(), strict=True
    ):
        ring = wkb_ring(value)
        assert ring[:4] == [
            apply(transform, *end) for end in ((left, top), (left, bottom), (right, bottom), (right, top))
        ]
        assert abs(area(ring)) * unit**2 == pytest.approx((right - left) * (bottom - top) * pixel, rel=1e-9)
        xs, ys = zip(*ring, strict=True)
        assert bbox == {"xmin": min(xs), "ymin": min(ys), "xmax": max(xs), "ymax": max(ys)}

    geo = json.loads(table.schema.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], column["encoding"], column["geometry_types"]) == ("1.1.0", "WKB", ["Polygon"])
    assert column["crs"]["id"] == {"authority": "EPSG", "code": int(crs[5:])}
    assert column["covering"]["bbox"]["ymax"] == ["bbox", "ymax"]


@pytest.mark.parametrize("name", GRIDS)
def test_geojson_has_longitude_and_latitude_of_the_corners_anticlockwise(name):
    crs, transform, _ = GRIDS[name]
    of_map = cells(crs, transform)
    content = json.loads(map_geojson.encode(of_map, columns(of_map, SPACE)))
    for feature, (left, top, right, bottom) in zip(content["features"], BOXES, strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        corners = [apply(transform, *end) for end in ((left, top), (left, bottom), (right, bottom), (right, top))]
        expected = list(zip(*convert(CRS.from_user_input(crs), "OGC:CRS84", *zip(*corners, strict=True)), strict=True))
        assert area(ring) > 0
        assert ring[0] == ring[-1]
        np.testing.assert_allclose(sorted(ring[:4]), sorted(expected), atol=1e-7, rtol=0)


def test_every_format_has_the_same_values():
    of_map = cells(*GRIDS["north-up"][:2])
    table = pq.read_table(io.BytesIO(map_parquet.encode(of_map, columns(of_map, SPACE)))).to_pydict()
    properties = [
        feature["properties"] for feature in json.loads(map_geojson.encode(of_map, columns(of_map, SPACE)))["features"]
    ]

    assert table["window"] == ["r0_c0", "r0_c256"] == [row["window"] for row in properties]
    assert table["tags"] == [" ".join(row["tags"]) for row in properties]
    assert table["tags"] == [" ".join(labels.decode(SPACE, tags)) for tags in of_map.tags]
    for name, column in zip(SPACE.names, of_map.scores.T, strict=True):
        assert np.array_equal(np.array(table[f"score_{name}"], np.float32), column)
        assert np.array_equal(np.array([row[f"score_{name}"] for row in properties], np.float32), column)
    assert table["valid"] == [row["valid"] for row in properties] == [0.5, 1]
    assert table["expected_f"] == [row["expected_f"] for row in properties] == [0.25, 0.25]


def test_a_scene_without_a_position_is_in_columns_and_negative_rows():
    of_map = cells(None, WITHOUT_POSITION)
    table = pq.read_table(io.BytesIO(map_parquet.encode(of_map, columns(of_map, SPACE))))
    assert json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["crs"] is None
    assert wkb_ring(table["geometry"][1].as_py())[:2] == [(256, 0), (256, -256)]
    (ring,) = json.loads(map_geojson.encode(of_map, columns(of_map, SPACE)))["features"][1]["geometry"]["coordinates"]
    assert ring == [[256, 0], [256, -256], [300, -256], [300, 0], [256, 0]]


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", Affine(0.01, 0, 178.72, 0, -0.01, 10)),
        ("EPSG:4326", Affine(0.01, 0, -181.28, 0, -0.01, 10)),
        ("EPSG:3832", Affine(1113.195, 0, 28.72 * 111_319.5, 0, -1113.195, 1_113_195)),  # Pacific Mercator
    ],
    ids=["beyond 180", "below -180", "projected"],
)
def test_a_window_across_the_antimeridian_is_cut_there(crs, transform):
    of_map = cells(crs, transform, [(0, 0, 256, 256), (256, 0, 300, 256)])
    content = json.loads(map_geojson.encode(of_map, columns(of_map, SPACE)))
    crossing, beyond = (feature["geometry"] for feature in content["features"])
    assert crossing["type"] == "MultiPolygon"
    (east,), (west,) = crossing["coordinates"]
    assert min(x for x, _ in east) == pytest.approx(178.72, abs=1e-4)
    assert max(x for x, _ in east) == 180
    assert min(x for x, _ in west) == -180
    assert max(x for x, _ in west) == pytest.approx(-178.72, abs=1e-4)
    assert area(east) > 0
    assert area(west) > 0
    assert beyond["type"] == "Polygon"
    assert [min(x for x, _ in beyond["coordinates"][0]), max(x for x, _ in beyond["coordinates"][0])] == pytest.approx(
        [-178.72, -178.28], abs=1e-4
    )


def test_a_reference_system_without_longitudes_is_refused_as_geojson():
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    of_map = cells(local, GRIDS["north-up"][1])
    with pytest.raises(ValueError, match=r"scene.tif cannot be converted to longitude and latitude; write the map as"):
        map_geojson.encode(of_map, columns(of_map, SPACE))


@pytest.mark.parametrize("name", [*GRIDS, None])
def test_a_geopackage_has_the_polygons_and_values_of_the_parquet_file(name, tmp_path):
    of_map = cells(*GRIDS[name][:2]) if name else cells(None, WITHOUT_POSITION)
    content = map_geopackage.encode(of_map, columns(of_map, SPACE))
    assert content == map_geopackage.encode(of_map, columns(of_map, SPACE))
    (tmp_path / "tags.gpkg").write_bytes(content)
    meta, _, polygons, values = pyogrio.raw.read(tmp_path / "tags.gpkg", layer="tags")
    table = pq.read_table(io.BytesIO(map_parquet.encode(of_map, columns(of_map, SPACE))))
    assert [bytes(value) for value in polygons] == table["geometry"].to_pylist()
    for column, field in zip(values, meta["fields"], strict=True):
        assert column.tolist() == table[field].to_pylist()
    assert meta["geometry_type"] == "Polygon"
    if name:
        assert meta["crs"] == GRIDS[name][0]


def test_a_geopackage_without_its_package_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(map_geopackage, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"a \.gpkg file needs pyogrio; run, .* pip install '\.\[geo\]'"):
        outputs.choose_format(tmp_path / "tags.gpkg")

"""The geometry column of vector tables."""

import json
import struct

import pytest
from rasterio.crs import CRS

from amazon_tags.tables.geoparquet import geometry_column, to_wkb
from features.images.footprint import Footprint

RING = ((0.0, 2.0), (0.0, 0.0), (3.0, 0.0), (3.0, 2.0), (0.0, 2.0))
UTM_21, UTM_20, UTM_1 = (CRS.from_epsg(code) for code in (32721, 32720, 32601))


def square(crs: CRS, x: float = 500_000, y: float = 9_700_000, side: float = 1000) -> Footprint:
    return Footprint(crs, ((x, y), (x, y - side), (x + side, y - side), (x + side, y), (x, y)))


def polygons(wkb: bytes) -> list[list[tuple[float, float]]]:
    """The outer rings of a polygon or multi-polygon, as OGC 06-103r4 lays them out."""
    order, kind, count = struct.unpack_from("<BII", wkb)
    assert order == 1
    if kind == 3:
        assert count == 1
        (size,) = struct.unpack_from("<I", wkb, 9)
        return [[struct.unpack_from("<dd", wkb, 13 + 16 * place) for place in range(size)]]
    assert kind == 6
    rings, first = [], 9
    for _ in range(count):
        rings += polygons(wkb[first:])
        first += 13 + 16 * len(rings[-1])
    assert first == len(wkb)
    return rings


def test_a_polygon_is_written_as_wkb():
    assert polygons(to_wkb([RING])) == [list(RING)]
    assert polygons(to_wkb([RING, RING])) == [list(RING), list(RING)]


def test_chips_of_one_reference_system_keep_it():
    column = geometry_column([square(UTM_21), None, square(UTM_21, x=600_000)])
    about = json.loads(column.geo)
    assert (about["version"], about["primary_column"]) == ("1.1.0", "geometry")
    described = about["columns"]["geometry"]
    assert described["encoding"] == "WKB"
    assert described["geometry_types"] == ["Polygon"]
    assert described["bbox"] == [500_000, 9_699_000, 601_000, 9_700_000]
    assert described["crs"]["id"] == {"authority": "EPSG", "code": 32721}
    assert column.values[1] is None
    assert polygons(column.values[0]) == [list(square(UTM_21).ring)]


def test_chips_of_several_reference_systems_are_converted_to_longitude_and_latitude():
    column = geometry_column([square(UTM_21), square(UTM_20)])
    described = json.loads(column.geo)["columns"]["geometry"]
    assert described["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    (east,), (west,) = map(polygons, column.values)
    assert east[0][0] == pytest.approx(-57)  # the central meridians of zones 21 and 20
    assert west[0][0] == pytest.approx(-63)
    assert east[0][1] == pytest.approx(-2.714, abs=1e-3)


def test_a_chip_across_the_antimeridian_becomes_two_polygons():
    column = geometry_column([square(UTM_1, x=166_021 - 500, y=1000), square(UTM_20)])
    about = json.loads(column.geo)["columns"]["geometry"]
    assert about["geometry_types"] == ["MultiPolygon", "Polygon"]
    sides = sorted(min(x for x, _ in ring) > 0 for ring in polygons(column.values[0]))
    assert sides == [False, True]


def test_chips_without_a_position_have_no_column():
    assert geometry_column([None, None]) is None


def test_a_reference_system_without_conversion_is_named():
    site = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    with pytest.raises(ValueError, match=r"LOCAL_CS.*OGC:CRS84"):
        geometry_column([square(UTM_20), square(site)])

"""Write a map as GeoJSON by RFC 7946: longitude and latitude, outer rings anticlockwise, cut at the antimeridian.

Polygons of a scene without a position are in columns and negative rows, which RFC 7946 does not know.
"""

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.warp import transform

from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.columns import NAME_LISTS, Columns
from amazon_tags.records import Json
from amazon_tags.tables.geoparquet import COMMON_CRS
from ensemble.arrays import Floats
from features.scenes.scene import Scene

DIGITS = 7  # of a degree: 1 cm

Ring = list[tuple[float, float]]


def encode(cells: MapCells, values: Columns) -> bytes:
    """Return the bytes of a feature collection, a feature in a line, with the values of cells.

    Raises:
        ValueError: The scene's reference system cannot be converted to longitude and latitude.
    """
    corners = np.array([footprint.ring for footprint in cells.footprints])
    rings = to_longitude_latitude(cells.scene, corners)
    lines = []
    for ring, *row in zip(rings, *values.values(), strict=True):
        properties = {name: _plain(value) for name, value in zip(values, row, strict=True)}
        properties |= {name: properties[name].split() for name in NAME_LISTS if name in values}
        geometry = polygon(ring, is_placed=cells.scene.crs is not None)
        feature = {"type": "Feature", "geometry": geometry, "properties": properties}
        lines.append(json.dumps(feature, ensure_ascii=False))
    return ('{"type": "FeatureCollection", "features": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; a float32 by the fewest digits that name it."""
    return float(str(value)) if isinstance(value, np.float32) else value


def to_longitude_latitude(scene: Scene, corners: Floats) -> Floats:
    """Return rings (polygons, 5, 2) of a scene's coordinates as longitude and latitude; a scene without them keeps its.

    Raises:
        ValueError: The scene's reference system cannot be converted.
    """
    if scene.crs is None:
        return corners
    xs, ys = corners.reshape(-1, 2).T
    try:
        converted = transform(scene.crs, CRS.from_user_input(COMMON_CRS), xs, ys)
    except Exception as error:  # GDAL's errors have private types; all mean that there is no conversion
        raise ValueError(
            f"the reference system of {scene} cannot be converted to longitude and latitude; write the map as "
            ".parquet, which keeps it."
        ) from error
    return np.stack(converted, axis=1).reshape(corners.shape)


def polygon(ring: Floats, *, is_placed: bool = True) -> Json:
    """Return the geometry of a ring (5, 2) of longitudes and latitudes, or of pixels of a scene without a position."""
    return _geometry(_cut(ring.tolist()) if is_placed else [ring.tolist()])


def _cut(ring: Ring) -> list[Ring]:
    """Return a ring, or its two parts where it crosses the antimeridian (RFC 7946, section 3.1.9)."""
    near = [(x - 360 * round((x - ring[0][0]) / 360), y) for x, y in ring]  # longitudes without a jump
    turns = math.floor((min(x for x, _ in near) + 180) / 360)
    near = [(x - 360 * turns, y) for x, y in near]
    if max(x for x, _ in near) <= 180:
        return [near]
    east = _clip([(180 - x, y) for x, y in near])
    west = _clip([(x - 180, y) for x, y in near])
    return [[(180 - x, y) for x, y in east], [(x - 180, y) for x, y in west]]


def _clip(ring: Ring) -> Ring:
    """Return the part of a convex ring at x of 0 or more (Sutherland and Hodgman 1974)."""
    kept: Ring = []
    for (x, y), (next_x, next_y) in pairwise(ring):
        if x >= 0:
            kept.append((x, y))
        if (x >= 0) != (next_x >= 0):
            kept.append((0.0, y + (next_y - y) * x / (x - next_x)))
    return [*kept, kept[0]]


def _geometry(parts: Sequence[Ring]) -> Json:
    """Return a Polygon, or a MultiPolygon of several parts, with anticlockwise rings."""
    rings = []
    for part in parts:
        area = sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairwise(part))
        ring = part if area >= 0 else part[::-1]
        rings.append([[round(x, DIGITS), round(y, DIGITS)] for x, y in ring])
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings}
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}

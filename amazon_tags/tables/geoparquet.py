"""The geometry column of a vector table, by GeoParquet 1.1: footprints of chips as WKB, and what `geo` says of them."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rasterio.crs import CRS
from rasterio.warp import transform_geom

from features.images.footprint import Footprint, Point

Polygons = list[tuple[Point, ...]]  # the outer rings of a chip's polygons: two if it crosses the antimeridian

COMMON_CRS = "OGC:CRS84"  # longitude and latitude; what chips of different reference systems are converted to
POLYGON, MULTI_POLYGON = 3, 6  # WKB's numbers of the geometries


@dataclass(frozen=True)
class GeometryColumn:
    """The geometries (chips,) as WKB, None for a chip without a position, and the value of the `geo` metadata."""

    values: list[bytes | None]
    geo: str


def geometry_column(footprints: Sequence[Footprint | None]) -> GeometryColumn | None:
    """Return the column of chips; None if no chip has a position.

    Chips of one reference system keep it, chips of several are converted to `COMMON_CRS`.

    Raises:
        ValueError: a reference system cannot be converted.
    """
    stated = [footprint for footprint in footprints if footprint]
    if not stated:
        return None
    crs = stated[0].crs
    is_common = all(footprint.crs is crs or footprint.crs == crs for footprint in stated)  # comparing takes 20 us
    target = crs if is_common else CRS.from_user_input(COMMON_CRS)
    chips = [
        None if footprint is None else [footprint.ring] if is_common else _convert(footprint, target)
        for footprint in footprints
    ]

    kinds = {"Polygon" if len(polygons) == 1 else "MultiPolygon" for polygons in chips if polygons}
    points = list(chain.from_iterable(ring for polygons in chips if polygons for ring in polygons))
    xs, ys = zip(*points, strict=True)
    column = {
        "encoding": "WKB",
        "geometry_types": sorted(kinds),
        "crs": target.to_dict(projjson=True) if target else None,
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
    }
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return GeometryColumn([to_wkb(polygons) if polygons else None for polygons in chips], json.dumps(geo))


def to_wkb(polygons: Polygons) -> bytes:
    """Return one polygon, or several as a multi-polygon, as little-endian WKB (OGC 06-103r4, section 8.2)."""
    parts = [
        struct.pack("<BIII", 1, POLYGON, 1, len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
        for ring in polygons
    ]
    return parts[0] if len(parts) == 1 else struct.pack("<BII", 1, MULTI_POLYGON, len(parts)) + b"".join(parts)


def _convert(footprint: Footprint, target: CRS) -> Polygons:
    polygon = {"type": "Polygon", "coordinates": [footprint.ring]}
    try:
        geometry: dict[str, Any] = transform_geom(footprint.crs, target, polygon)
    except Exception as error:  # GDAL's errors have private types; all mean that there is no conversion
        raise ValueError(
            f"chips state several reference systems, of which {str(footprint.crs)[:60]!r} cannot be converted "
            f"to {COMMON_CRS}; give these files another one, or none."
        ) from error
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return [tuple((float(x), float(y)) for x, y, *_ in rings[0]) for rings in polygons]

"""Write a map as GeoParquet 1.1: polygons in the scene's own reference system, each with its bounding box."""

import io
import json

import numpy as np

from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.columns import Columns
from amazon_tags.tables.geoparquet import geometry_column

SIDES = ("xmin", "ymin", "xmax", "ymax")
COVERING = {"bbox": {side: ["bbox", side] for side in SIDES}}  # GeoParquet 1.1: readers skip groups of rows by it
ROWS_A_GROUP = 1 << 14


def encode(cells: MapCells, values: Columns) -> bytes:
    """Return the bytes of a Parquet file: the values of cells, `geometry` (WKB) and `bbox`."""
    import pyarrow as pa  # noqa: PLC0415  importing pyarrow takes 0.1 s
    from pyarrow import parquet as pq  # noqa: PLC0415

    footprints = cells.footprints
    geometry = geometry_column(footprints)
    if geometry is None:
        raise ValueError("a map without cells cannot be written.")
    geo = json.loads(geometry.geo)
    geo["columns"]["geometry"]["covering"] = COVERING

    corners = np.array([footprint.ring for footprint in footprints])  # (cells, 5, 2)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    arrays = {name: pa.array(column) for name, column in values.items()}
    arrays["geometry"] = pa.array(geometry.values, pa.binary())
    arrays["bbox"] = pa.StructArray.from_arrays([pa.array(side) for side in boxes.T.copy()], SIDES)

    stream = io.BytesIO()
    table = pa.table(arrays).replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, stream, row_group_size=ROWS_A_GROUP)
    return stream.getvalue()

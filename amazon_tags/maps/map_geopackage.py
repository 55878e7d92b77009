"""Write a map as GeoPackage (OGC 12-128) by pyogrio, of the extra `geo`: polygons in the scene's reference system."""

import io
import warnings
from importlib.util import find_spec

import numpy as np

from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.columns import Columns
from amazon_tags.tables.geoparquet import to_wkb

LAYER = "tags"
DATE = "2000-01-01T00:00:00Z"  # stored as that of the last change, so that the same scene gives the same bytes


def encode(cells: MapCells, values: Columns) -> bytes:
    """Return the bytes of a GeoPackage with one layer, `tags`, of cells with their values.

    Raises:
        ValueError: pyogrio is not installed.
    """
    refuse_without_pyogrio()
    import pyogrio  # noqa: PLC0415  of an extra

    polygons = np.array([to_wkb([footprint.ring]) for footprint in cells.footprints], object)
    stream = io.BytesIO()
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": DATE})
    try:
        with warnings.catch_warnings():  # of a scene without a position, which `map` has said already
            warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
            pyogrio.raw.write(
                stream,
                polygons,
                list(values.values()),
                list(values),
                layer=LAYER,
                driver="GPKG",
                geometry_type="Polygon",
                crs=cells.scene.crs.to_wkt() if cells.scene.crs else None,
            )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
    return stream.getvalue()


def refuse_without_pyogrio() -> None:
    """Raise ValueError with the install command if pyogrio is missing."""
    if find_spec("pyogrio") is None:
        raise ValueError("a .gpkg file needs pyogrio; run, in the checkout: pip install '.[geo]'")

"""Footprints that GeoTIFFs state."""

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from features.images.footprint import read_footprint

UTM = CRS.from_epsg(32721)
NORTH_UP = rasterio.Affine(3, 0, 600_000, 0, -3, 9_700_000)  # pixels of 3 m


def tif(crs: CRS | None, transform: rasterio.Affine, driver: str = "GTiff") -> bytes:
    layout = {"count": 3, "width": 4, "height": 2, "dtype": "uint8", "crs": crs, "transform": transform}
    with MemoryFile() as memory:
        with memory.open(driver=driver, **layout) as raster:
            raster.write(np.zeros((3, 2, 4), np.uint8))
        return bytes(memory.read())


def test_a_footprint_is_the_polygon_of_the_outer_corners():
    footprint = read_footprint(tif(UTM, NORTH_UP))
    assert footprint.crs == UTM
    assert footprint.ring == (
        (600_000, 9_700_000),
        (600_000, 9_699_994),
        (600_012, 9_699_994),
        (600_012, 9_700_000),
        (600_000, 9_700_000),
    )


@pytest.mark.parametrize(
    ("crs", "transform"),
    [(None, NORTH_UP), (UTM, rasterio.Affine.identity())],
    ids=["no reference system", "no position"],
)
@pytest.mark.filterwarnings("ignore:The given matrix is equal to Affine.identity")
def test_a_tif_without_a_reference_system_or_a_position_has_no_footprint(crs, transform):
    assert read_footprint(tif(crs, transform)) is None


def test_other_formats_have_no_footprint():
    assert read_footprint(tif(None, NORTH_UP, driver="PNG")) is None


def test_a_damaged_tif_is_an_error():
    with pytest.raises(ValueError, match="damaged"):
        read_footprint(tif(UTM, NORTH_UP)[:20])

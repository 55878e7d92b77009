"""Read where a chip lies on the ground from what a GeoTIFF states; other formats state nothing that is read."""

import math
from dataclasses import dataclass

from rasterio.crs import CRS
from rasterio.transform import Affine

from features.images import raster

TIF_ORDERS = (b"II", b"MM")  # the first two bytes of a TIF: its byte order
NOT_STATED = Affine(1, 0, -0.5, 0, -1, 0.5)  # of `raster.WORLD_FILE`, which counts where a file states no position

Point = tuple[float, float]  # x (east or longitude), y (north or latitude)


@dataclass(frozen=True)
class Footprint:
    """The polygon of a chip's outer corners.

    Attributes:
        crs: The coordinate reference system that the file states.
        ring: Upper left, lower left, lower right and upper right corner, and the first one again.
    """

    crs: CRS
    ring: tuple[Point, ...]


def read_footprint(content: bytes) -> Footprint | None:
    """Return the footprint of a file's bytes; None unless it is a TIF that states a reference system and a position.

    Raises:
        ValueError: The TIF is damaged.
    """
    if not content.startswith(TIF_ORDERS):
        return None
    with raster.open_raster(content, "GTiff") as dataset:
        crs, transform, width, height = dataset.crs, dataset.transform, dataset.width, dataset.height
    if not crs or transform in (NOT_STATED, Affine.identity()) or not all(map(math.isfinite, transform)):
        return None
    corners = ((0, 0), (0, height), (width, height), (width, 0), (0, 0))
    a, b, c, d, e, f = transform[:6]
    return Footprint(crs, tuple((a * column + b * row + c, d * column + e * row + f) for column, row in corners))

"""Read where a chip lies on the ground from what a GeoTIFF states; other formats state nothing that is read."""

import math
from dataclasses import dataclass

from rasterio.crs import CRS
from rasterio.transform import Affine

from features.images import raster

TIF_ORDERS = (b"II", b"MM")  # the first two bytes of a TIF: its byte order
NOT_STATED = Affine(1, 0, -0.5, 0, -1, 0.5)  # of `raster.WORLD_FILE`, which counts where a file states no position

Point = tuple[float, float]  # x (east or longitude), y (north or latitude)
Box = tuple[int, int, int, int]  # first column, first row, and the column and row after the last, in pixels


@dataclass(frozen=True)
class Footprint:
    """The polygon of a chip's outer corners.

    Attributes:
        crs: The coordinate reference system that the file states; None: columns and negative rows of a scene.
        ring: Upper left, lower left, lower right and upper right corner, and the first one again.
    """

    crs: CRS | None
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
    if not is_placed(crs, transform):
        return None
    return Footprint(crs, ring(transform, (0, 0, width, height)))


def is_placed(crs: CRS | None, transform: Affine) -> bool:
    """Return whether a raster states where it lies: a reference system, and a transform that is not the default one."""
    return bool(crs) and transform not in (NOT_STATED, Affine.identity()) and all(map(math.isfinite, transform))


def ring(transform: Affine, box: Box) -> tuple[Point, ...]:
    """Return the corners of a box of pixels: upper left, lower left, lower right, upper right, and upper left again."""
    left, top, right, bottom = box
    corners = ((left, top), (left, bottom), (right, bottom), (right, top), (left, top))
    return tuple(apply(transform, column, row) for column, row in corners)


def apply(transform: Affine, column: float, row: float) -> Point:
    """Return where a column and a row lie; the operators of `Affine` differ between its versions."""
    a, b, c, d, e, f = transform[:6]
    return a * column + b * row + c, d * column + e * row + f

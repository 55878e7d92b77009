"""Write the scores of a map as a Cloud Optimized GeoTIFF: a pixel a cell, and a band a label, named like it."""

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from amazon_tags.maps.cells import MapCells
from amazon_tags.tables.labels import LabelSpace
from features.scenes.windows import Grid, Size

NODATA = float("nan")  # of cells without a score
TILE_PIXELS = 128  # a side, the least that GDAL takes; a map of fewer cells is one tile, without overviews
LAYOUT = {
    "driver": "COG",
    "BLOCKSIZE": TILE_PIXELS,
    "COMPRESS": "DEFLATE",  # which every GDAL reads
    "PREDICTOR": "YES",
    "OVERVIEW_RESAMPLING": "AVERAGE",  # the mean of the cells that have a score
}


def encode(cells: MapCells, grid: Grid, space: LabelSpace) -> bytes:
    """Return the bytes of a GeoTIFF of float32 scores, NaN where no window was scored.

    A pixel lies where the cell's polygon lies, but is never cut at the scene's right and lower edge.

    Args:
        cells: The cells that have scores.
        grid: The grid that they are cells of.
        space: The labels, in the order of the bands.
    """
    columns, rows = grid.cells
    bands = np.full((len(space.names), rows, columns), NODATA, np.float32)
    lefts, tops = np.array(cells.boxes).T[:2]
    bands[:, tops // grid.stride[1], lefts // grid.stride[0]] = cells.scores.T

    with MemoryFile() as file:
        with file.open(
            count=len(bands),
            height=rows,
            width=columns,
            dtype="float32",
            nodata=NODATA,
            crs=cells.scene.crs,
            transform=_enlarge(cells.scene.transform, grid.stride),
            **LAYOUT,
        ) as target:
            target.write(bands)
            target.descriptions = space.names
        content: bytes = file.read()
    return content


def _enlarge(transform: Affine, size: Size) -> Affine:
    """Return the transform of pixels that are `size` pixels wide and high."""
    a, b, c, d, e, f = transform[:6]
    return Affine(a * size[0], b * size[1], c, d * size[0], e * size[1], f)

"""Encode images for tests: GeoTIFFs and 16-bit PNGs with all that a file can state about its bands and levels."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

# The curve's own range: forest, soil and cloud.
DN = (
    np.random.default_rng(0).integers([3500, 2900, 1800, 3000], [9000, 8000, 7000, 9000], (20, 20, 4)).astype(np.uint16)
)
COLOURS = np.random.default_rng(1).integers(20, 220, (20, 20, 3)).astype(np.uint8)


def encode(
    pixels: NDArray[Any],
    driver: str = "GTiff",
    *,
    colours: Sequence[str] = (),
    mask: NDArray[np.bool_] | None = None,
    colormap: dict[int, tuple[int, int, int, int]] | None = None,
    **options: Any,
) -> bytes:
    """Return the bytes of a raster.

    Args:
        pixels: (H, W, bands).
        driver: GTiff or PNG.
        colours: Colour interpretations by GDAL's names.
        mask: (H, W) a mask inside the file.
        colormap: Of a palette.
        options: Descriptions, scales and offsets of the bands; others go to rasterio, such as nodata or photometric.
    """
    stated = {name: options.pop(name) for name in ("descriptions", "scales", "offsets") if name in options}
    height, width, count = pixels.shape
    shape = {"width": width, "height": height, "count": count, "dtype": pixels.dtype.name}
    with warnings.catch_warnings(), MemoryFile() as file, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with file.open(driver=driver, **shape, **options) as target:
            if colours:
                target.colorinterp = [ColorInterp[name] for name in colours]
            for name, value in stated.items():
                setattr(target, name, value)
            if colormap:
                target.write_colormap(1, colormap)
            if mask is not None:
                target.write_mask(mask)
            target.write(pixels.transpose(2, 0, 1))
        content: bytes = file.read()
    return content

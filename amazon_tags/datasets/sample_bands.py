"""Render sample chips of many bands as GeoTIFFs of surface reflectance, with the bands' names as descriptions.

A band is a mixture of the drawing's colours, and plants are brighter in near infrared. This is no model of a sensor.
"""

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile

Mixture = tuple[float, float, float, float]  # shares of red, green and blue, and what full plant cover adds

SENTINEL_2: dict[str, Mixture] = {  # by the names of Sentinel-2's 13 bands
    "B1": (0.0, 0.2, 0.8, 0.0),
    "B2": (0.0, 0.0, 1.0, 0.0),
    "B3": (0.0, 1.0, 0.0, 0.0),
    "B4": (1.0, 0.0, 0.0, 0.0),
    "B5": (0.7, 0.3, 0.0, 0.1),
    "B6": (0.5, 0.3, 0.0, 0.7),
    "B7": (0.4, 0.3, 0.0, 0.9),
    "B8": (0.4, 0.3, 0.0, 1.0),
    "B8A": (0.4, 0.2, 0.0, 1.0),
    "B9": (0.2, 0.1, 0.0, 0.4),
    "B10": (0.0, 0.0, 0.1, 0.0),
    "B11": (0.9, 0.2, 0.0, 0.2),
    "B12": (0.9, 0.0, 0.0, -0.1),
}
SUPERDOVE: dict[str, Mixture] = {  # by the names of Planet's eight bands
    "coastal_blue": (0.0, 0.2, 0.8, 0.0),
    "blue": (0.0, 0.0, 1.0, 0.0),
    "green_i": (0.0, 0.8, 0.2, 0.0),
    "green": (0.0, 1.0, 0.0, 0.0),
    "yellow": (0.5, 0.5, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0, 0.0),
    "rededge": (0.7, 0.3, 0.0, 0.2),
    "nir": (0.4, 0.3, 0.0, 1.0),
}
BAND_SETS = {len(bands): bands for bands in (SUPERDOVE, SENTINEL_2)}
DARKEST, RANGE, PLANTS = 0.01, 0.35, 0.30  # reflectance of black, what white adds to it, and what plants add
LEVELS_PER_REFLECTANCE = 10_000
PLANT_RATIO = 0.15  # of (green - red) / (green + red), as of the drawn forest; it counts as full cover


def reflectance_tif(pixels: NDArray[np.uint8], count: int, note: str) -> bytes:
    """Return a GeoTIFF of uint16 surface reflectance of a drawing (side, side, 3), with `count` bands and a note."""
    bands = BAND_SETS[count]
    colours = pixels.astype(np.float64)
    red, green = colours[..., 0], colours[..., 1]
    cover = np.clip((green - red) / np.maximum(green + red, 1) / PLANT_RATIO, 0, 1)
    mixed = [colours / 255 @ np.array(mixture[:3]) * RANGE + cover * mixture[3] * PLANTS for mixture in bands.values()]
    levels = np.rint((DARKEST + np.stack(mixed)) * LEVELS_PER_REFLECTANCE).clip(1, 65535).astype(np.uint16)

    height, width = pixels.shape[:2]
    layout = {"count": count, "width": width, "height": height, "dtype": "uint16", "compress": "deflate"}
    transform = rasterio.Affine(10, 0, 0, 0, -10, 0)  # without one, rasterio warns
    with rasterio.Env(), MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=transform, **layout) as raster:
            raster.write(levels)
            raster.descriptions = tuple(bands)
            raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=note)
        return bytes(memory.read())

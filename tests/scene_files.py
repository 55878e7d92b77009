"""Write scenes for tests, and cut chips from them as a user would: with rasterio, into a file of their own."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterPart

UTM = "EPSG:32721"
NORTH_UP = rasterio.Affine(3, 0, 600_000, 0, -3, 9_700_000)  # pixels of 3 m
APART = {"interleave": "band"}
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {},
    "one strip": {"blockysize": 150},
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 32},
    "deflate, bands apart": {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", **APART},
    "big-endian BigTIFF": {"BIGTIFF": "YES", "ENDIANNESS": "BIG", "compress": "lzw"},
    "COG": {"driver": "COG", "BLOCKSIZE": 128, "COMPRESS": "DEFLATE", "OVERVIEWS": "AUTO"},
}


def noise(height: int, width: int, bands: int = 3, dtype: str = "uint8") -> NDArray[Any]:
    """Return pixels (height, width, bands) that differ everywhere, and vary slowly, as ground does."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (9 + band)) + np.cos(columns / (7 + band)) + 2 for band in range(bands)]
    top = 60 if dtype == "uint8" else 2500
    spread = np.random.default_rng(0).integers(0, top // 3, (height, width, bands))
    return (np.stack(waves, axis=2) * top * 0.7 + spread + top // 2).astype(dtype)


def write_scene(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write a GeoTIFF; `mask` (H, W) is stored inside, `colours` are interpretations, `descriptions` names of bands."""
    mask, colours = options.pop("mask", None), options.pop("colours", ())
    descriptions, colormap = options.pop("descriptions", ()), options.pop("colormap", None)
    layout = {"driver": "GTiff", "crs": UTM, "transform": NORTH_UP, **options}
    height, width, count = pixels.shape
    shape = {"height": height, "width": width, "count": count, "dtype": pixels.dtype.name}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **shape, **layout) as target:
            if colours:
                target.colorinterp = [ColorInterp[name] for name in colours]
            if descriptions:
                target.descriptions = descriptions
            if colormap:
                target.write_colormap(1, colormap)
            target.write(pixels.transpose(2, 0, 1))
            if mask is not None:
                target.write_mask(mask)
    return path


def shifted(transform: rasterio.Affine, column: int, row: int) -> rasterio.Affine:
    """Return the transform that counts from this column and row on."""
    a, b, c, d, e, f = transform[:6]
    return rasterio.Affine(a, b, a * column + b * row + c, d, e, d * column + e * row + f)


def cut(scene: Path, path: Path, box: tuple[int, int, int, int]) -> Path:
    """Cut the pixels of a box (column, row, width, height) from a scene into a file, with all that the scene states."""
    part = RasterPart(*box)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(scene) as source:
            has_mask = source.mask_flag_enums[0] == [MaskFlags.per_dataset]
            return write_scene(
                path,
                source.read(window=part).transpose(1, 2, 0),
                crs=source.crs,
                transform=shifted(source.transform, *box[:2]),
                nodata=source.nodata,
                mask=source.read_masks(1, window=part) > 0 if has_mask else None,
                colours=[colour.name for colour in source.colorinterp],
                descriptions=source.descriptions if any(source.descriptions) else (),
                colormap=source.colormap(1) if ColorInterp.palette in source.colorinterp else None,
            )

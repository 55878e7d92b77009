"""Open rasters in memory by rasterio, with one driver and no access to any other file, and read what they state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterPart

from features.images.stored import MAX_SIDE_PIXELS, Header, ValidPixels, check_size

READ_TYPES = {"uint8": "uint8", "uint16": "uint16", "float32": "uint16"}  # what is stored, and what it is read as
WORLD_FILE = b"1\n0\n0\n-1\n0\n0\n"  # put beside a chip in memory: rasterio warns at each chip without a position


@contextmanager
def open_raster(content: bytes, driver: str) -> Iterator[Any]:
    """Open bytes in memory as a rasterio dataset; what rasterio raises about them becomes a ValueError."""
    format_name = "TIF" if driver == "GTiff" else driver
    with (
        MemoryFile(content, filename="chip") as file,
        MemoryFile(WORLD_FILE, dirname=file.name.split("/")[2], filename="chip.wld"),
    ):
        try:
            with file.open(driver=driver, sharing=False) as dataset:
                yield dataset
        except (MemoryError, ValueError):
            raise
        except Exception as error:  # the bytes are in memory, so any error is about the bytes
            reason = str(error.__cause__ or error).replace(file.name, "chip")  # the name in memory differs in each run
            raise ValueError(f"is a damaged {format_name} ({reason}); save it again.") from error


def read_header(dataset: Any, kind: str) -> Header:
    """Return the header of an open raster; raise ValueError if its type, size or tiles are not read."""
    check_type(dataset)
    header = check_size(Header(kind, dataset.width, dataset.height, dataset.count, READ_TYPES[dataset.dtypes[0]]))
    check_blocks(dataset)
    return header


def check_type(dataset: Any) -> None:
    """Raise ValueError unless all bands have one type that is read."""
    types = sorted(set(dataset.dtypes))
    if len(types) != 1 or types[0] not in READ_TYPES:
        raise ValueError(f"is of {', '.join(types)}; uint8, uint16 or float32 is expected, convert it first.")


def check_blocks(dataset: Any) -> None:
    """Raise ValueError for tiles or strips that take much memory, since a whole one is read for each pixel."""
    height, width = max(dataset.block_shapes, key=lambda block: block[0] * block[1])
    if height * width > MAX_SIDE_PIXELS**2:
        raise ValueError(
            f"is stored in tiles of {width} x {height}; at most {MAX_SIDE_PIXELS} x {MAX_SIDE_PIXELS} is read, "
            "save it with smaller tiles."
        )


def bands_last(
    dataset: Any, part: RasterPart | None = None, size: tuple[int, int] | None = None, *, is_mixable: bool = True
) -> NDArray[Any]:
    """Return the pixels of a part, or all, (H, W, bands).

    Args:
        dataset: An open raster.
        part: The part.
        size: Width and height of the result, which is made of the raster's overviews or of some blocks at a time.
        is_mixable: Whether levels may be averaged for that, which the indices of a palette may not.
    """
    shape = {} if size is None else {"out_shape": (dataset.count, size[1], size[0])}
    mixing = Resampling.average if size and is_mixable else Resampling.nearest
    decoded: NDArray[Any] = np.moveaxis(dataset.read(window=part, resampling=mixing, **shape), 0, 2).copy()
    return decoded


def valid_pixels(dataset: Any, pixels: NDArray[Any]) -> ValidPixels | None:
    """Return which pixels differ from the declared nodata value in any band; None if none is declared."""
    nodata = dataset.nodatavals
    if None in nodata or not all(float(value).is_integer() for value in nodata):  # NaN is no integer
        return None
    exact = np.float32 if pixels.dtype == np.float32 else np.int64
    valid: ValidPixels = (pixels != np.array(nodata).astype(exact)).any(axis=2)
    return valid

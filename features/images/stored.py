"""Declare what a decoder returns: an image as its file stores it, and what the file states about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.arrays import Chip

MAX_SIDE_PIXELS = 4096  # with MAX_BANDS at most 512 MiB of uint16
MAX_BANDS = 16
RGB = ("red", "green", "blue")

ValidPixels = NDArray[np.bool_]  # (H, W)


@dataclass(frozen=True)
class Header:
    """What decoding gives.

    Attributes:
        format: jpg, png or tif.
        width: In pixels.
        height: In pixels.
        bands: Always 3 for jpg and png.
        dtype: uint8 or uint16.
    """

    format: str
    width: int
    height: int
    bands: int
    dtype: str


@dataclass(frozen=True)
class StoredImage:
    """An image and what its file states about it.

    Attributes:
        format: jpg, png or tif; array for pixels that come from no file.
        pixels: (H, W, bands) in the file's order; float32 until `floats.without_floats` makes them levels.
        bands: What the file states each band to be, such as red or alpha; empty text where it states nothing.
        valid: Which pixels hold data, by the file's nodata value, mask or transparency; None if it declares none.
        bits: How many bits of a 16-bit sample are used, if the file states it.
        scales: (scale, offset) of each band, if the file states them: scale * level + offset is a physical value.
        is_float: Whether the file holds floats. Once `pixels` are levels, these scales give the floats.
    """

    format: str
    pixels: Chip
    bands: tuple[str, ...] = RGB
    valid: ValidPixels | None = None
    bits: int | None = None
    scales: tuple[tuple[float, float], ...] = ()
    is_float: bool = False


def check_size(header: Header, max_side: int = MAX_SIDE_PIXELS) -> Header:
    """Return the header if the image is small enough to be decoded."""
    sides_fit = 0 < header.width <= max_side and 0 < header.height <= max_side
    if not (sides_fit and 0 < header.bands <= MAX_BANDS):
        raise ValueError(
            f"is {header.width} x {header.height} pixels with {header.bands} bands; "
            f"at most {max_side} x {max_side} x {MAX_BANDS} is read, split it into chips first."
        )
    return header

"""Make levels of 16 bits of floats, with which all else computes: of surface reflectance, or of a stated range."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.arrays import Chip
from features.images.layout import REFLECTANCE, Ranges, parse_levels
from features.images.reflectance import HIGH_PERCENTILE, MAX_REFLECTANCE, float_scales
from features.images.spec import ChipSpec
from features.images.stored import StoredImage, ValidPixels

Pairs = tuple[tuple[float, float], ...]  # (scale, offset) of each band


def without_floats(image: StoredImage, spec: ChipSpec | None = None) -> StoredImage:
    """Return an image with levels in place of floats: of the range that a spec's layouts state, else of reflectance.

    Raises:
        ValueError: No range is stated, and the values are too high for reflectance.
    """
    values: NDArray[Any] = image.pixels
    if values.dtype != np.float32:
        return image
    if spec and spec.has_many_bands():
        stated = float_scales(spec, values.shape[2])
        pixels, valid, scales = as_levels(values, image.valid, stated or image.scales)
        return replace(image, pixels=pixels, valid=valid, scales=scales)
    ranges = float_ranges(spec) if spec else ()
    if ranges:
        pixels, scales = _within(image, ranges)
        return replace(image, pixels=pixels, scales=scales)
    pixels, valid, scales = as_levels(values, image.valid, image.scales)
    return replace(image, pixels=pixels, valid=valid, scales=scales)


def float_ranges(spec: ChipSpec) -> Ranges:
    """Return the values that become black and white, as the user or else the training states; none for reflectance."""
    stated = parse_levels(spec.layout.levels)
    return stated.ranges if stated.kind != "auto" else parse_levels(spec.training_layout.levels).ranges


def _within(image: StoredImage, ranges: Ranges) -> tuple[Chip, Pairs]:
    """Return levels from the lowest to the highest value of all ranges, and what a level is worth in each band."""
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    step = (high - low) / np.iinfo(np.uint16).max
    values = image.pixels.astype(np.float64)
    filled = np.ones(values.shape[:2], np.bool_) if image.valid is None else image.valid
    levels = np.rint((np.where(filled[..., None], values, low) - low) / step).clip(0, np.iinfo(np.uint16).max)
    return levels.astype(np.uint16), ((step, low),) * values.shape[2]


def with_gaps(pixels: NDArray[np.float32], valid: ValidPixels | None) -> ValidPixels | None:
    """Return which pixels hold data where NaN and infinite values hold none; None if all do and none was declared."""
    finite: ValidPixels = np.asarray(np.isfinite(pixels).all(axis=2))
    if valid is None:
        return None if finite.all() else finite
    return valid & finite


def as_levels(
    pixels: NDArray[np.float32], valid: ValidPixels | None, scales: Pairs
) -> tuple[Chip, ValidPixels | None, Pairs]:
    """Return levels (H, W, bands) of uint16 in steps of 0.0001, which pixels hold data, and the steps of each band.

    Negative reflectance, which corrections of the atmosphere leave over dark ground, becomes 0. A pixel with NaN or an
    infinite value holds no data.

    Args:
        pixels: Values (H, W, bands).
        valid: Which pixels hold data, as the file declares it; None if it declares none.
        scales: What the file states: scale * value + offset is reflectance; empty if it states nothing.

    Raises:
        ValueError: The values are too high for reflectance.
    """
    values = pixels.astype(np.float64)
    if scales:
        values = values * [scale for scale, _ in scales] + [offset for _, offset in scales]
    finite = np.asarray(np.isfinite(values).all(axis=2))
    filled: ValidPixels = finite if valid is None else finite & valid
    highest = float(np.percentile(values[filled], HIGH_PERCENTILE)) if filled.any() else 0.0
    if highest > MAX_REFLECTANCE:
        raise ValueError(
            f"holds floats up to {highest:,.5g}, but floats are read as surface reflectance from 0 to 1; convert it to "
            "uint16, or say by --levels which values become black and white, such as 0:3000, or for more than four "
            "bands the scale, such as 0.0001."
        )
    levels = np.rint(np.where(filled[..., None], values, 0) / REFLECTANCE).clip(0, np.iinfo(np.uint16).max)
    is_whole = valid is None and filled.all()
    return levels.astype(np.uint16), None if is_whole else filled, ((REFLECTANCE, 0.0),) * pixels.shape[2]

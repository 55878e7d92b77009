"""Read floats as surface reflectance: as levels of 16 bits, with which everything behind the decoders computes."""

import numpy as np
from numpy.typing import NDArray

from features.arrays import Chip
from features.images.layout import REFLECTANCE
from features.images.stored import ValidPixels

Pairs = tuple[tuple[float, float], ...]  # (scale, offset) of each band
MAX_REFLECTANCE = 2.0  # clouds and snow may exceed 1; a file with higher values holds something else
HIGH_PERCENTILE = 99.5  # single pixels may be defects or glints


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
            "uint16, and say by --levels what its levels are."
        )
    levels = np.rint(np.where(filled[..., None], values, 0) / REFLECTANCE).clip(0, np.iinfo(np.uint16).max)
    is_whole = valid is None and filled.all()
    return levels.astype(np.uint16), None if is_whole else filled, ((REFLECTANCE, 0.0),) * pixels.shape[2]

"""Random views of a chip, as two pictures of one place that a network learns to recognise as the same.

They are made for pictures from above: any turn and mirror image is as likely. Hue stays and nothing becomes grey, since
colour separates haze, water and forest; only gain and offset of each band change a little, as between two passes of a
satellite. The same random generator makes the same view.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from features.arrays import Chip
from features.images.views import VIEWS

BLUR_TAPS = 2  # pixels on either side that a blurred pixel depends on, at deviations of up to 1 pixel


@dataclass(frozen=True)
class ViewSettings:
    """How views differ from their chip.

    Attributes:
        least_area: The least share of the chip's area that a view shows; the largest is 1.
        gain: Each band is multiplied by a number between 1 - `gain` and 1 + `gain`.
        offset: Then up to this share of the band's mean is added or subtracted.
        blur: The highest standard deviation of a Gaussian blur, in pixels.
        blurred: The share of views that are blurred.
        dropped: The share of views of four bands in which one band has its mean everywhere.
    """

    least_area: float = 0.3
    gain: float = 0.2
    offset: float = 0.1
    blur: float = 1.0
    blurred: float = 0.5
    dropped: float = 0.2


PAIRED = ViewSettings()
GEOMETRIC = ViewSettings(gain=0.0, offset=0.0, blurred=0.0, dropped=0.0)  # FCMAE predicts the pixels themselves


def random_view(chip: Chip, side: int, rng: np.random.Generator, settings: ViewSettings = PAIRED) -> Chip:
    """Return a random view (side, side, bands) of a chip of any size, in its own integer type."""
    number = int(rng.integers(VIEWS))
    view = _turn(_resize(chip, _random_box(chip, rng, settings.least_area), side), number)
    changes = bool(settings.gain or settings.offset or settings.dropped)
    is_blurred = rng.random() < settings.blurred
    if not changes and not is_blurred:
        return view.copy()

    floats = view.astype(np.float32)
    if changes:
        floats = _change_bands(floats, rng, settings)
    if is_blurred:
        floats = _blur(floats, rng.uniform(0.1, settings.blur))
    rounded: Any = np.clip(np.rint(floats), 0, np.iinfo(chip.dtype).max).astype(chip.dtype)
    return rounded  # type: ignore[no-any-return]


def _random_box(chip: Chip, rng: np.random.Generator, least_area: float) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a random part with the proportions of the chip."""
    height, width = chip.shape[:2]
    share = rng.uniform(least_area, 1.0) ** 0.5
    across, down = max(1, round(share * width)), max(1, round(share * height))
    left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
    return left, top, left + across, top + down


def _resize(chip: Chip, box: tuple[int, int, int, int], side: int) -> Chip:
    """Return a part of a chip, resized by the filter that whole chips are resized by."""
    size = (side, side)
    if chip.dtype == np.uint8 and chip.shape[2] == 3:
        return np.asarray(Image.fromarray(chip).resize(size, Image.Resampling.BILINEAR, box=box), np.uint8)
    bands = [Image.fromarray(chip[..., band].astype(np.float32)) for band in range(chip.shape[2])]
    resized = [np.asarray(band.resize(size, Image.Resampling.BILINEAR, box=box)) for band in bands]
    rounded: Chip = np.rint(np.stack(resized, axis=-1)).astype(chip.dtype)
    return rounded


def _turn(chip: Chip, number: int) -> Chip:
    turned: Chip = np.rot90(chip, number % 4)
    return turned[:, ::-1] if number >= 4 else turned


def _change_bands(pixels: NDArray[np.float32], rng: np.random.Generator, settings: ViewSettings) -> NDArray[np.float32]:
    """Return the bands, each with its own gain and offset; of four bands one may be its mean everywhere."""
    bands = pixels.shape[2]
    means = pixels.mean(axis=(0, 1))
    gains = rng.uniform(1 - settings.gain, 1 + settings.gain, size=(bands,))
    offsets = rng.uniform(-settings.offset, settings.offset, size=(bands,)) * means
    if rng.random() < settings.dropped and bands > 3:
        band = int(rng.integers(bands))
        gains[band], offsets[band] = 0.0, means[band]
    changed: NDArray[np.float32] = pixels * gains.astype(np.float32) + offsets.astype(np.float32)
    return changed


def _blur(pixels: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """Return pixels blurred by a Gaussian, which ends at `BLUR_TAPS` pixels; edges are repeated."""
    falloff: NDArray[np.float64] = np.exp(-0.5 * (np.arange(BLUR_TAPS + 1) / deviation) ** 2)
    weights = (falloff / (falloff[0] + 2 * falloff[1:].sum())).astype(np.float32)
    for axis in (0, 1):
        wide = np.pad(pixels, [(BLUR_TAPS, BLUR_TAPS) if place == axis else (0, 0) for place in range(3)], mode="edge")
        length = pixels.shape[axis]
        blurred: NDArray[np.float32] = weights[0] * pixels
        for tap in range(1, BLUR_TAPS + 1):
            before, after = (
                wide[:, first : first + length] if axis else wide[first : first + length]
                for first in (BLUR_TAPS - tap, BLUR_TAPS + tap)
            )
            blurred += weights[tap] * (before + after)
        pixels = blurred
    return pixels

"""Show a chip of any bands and levels in the colours that a person sees."""

import numpy as np

from features.arrays import Chip, Rgb
from features.images import sensor_colours
from features.images.spec import ChipSpec
from features.images.stored import RGB

DEVIATIONS_SHOWN = 2.0  # on each side of the mean


def visible(chip: Chip, spec: ChipSpec) -> Rgb:
    """Return a picture (side, side, 3) of a chip of this spec.

    Sensor levels get the colours of `sensor_colours`, other values of 16 bits use their whole range. Without red, green
    and blue the first band is shown in grey, from its least to its greatest level. Of many bands, red, green and blue
    go from two deviations below to two above the mean of the training chips, or else of the chip.
    """
    if not set(RGB) <= set(spec.bands):
        band = chip[..., 0].astype(np.float64)
        grey = (band - band.min()) / max(1.0, float(np.ptp(band))) * 255
        return np.repeat(np.rint(grey).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    if spec.has_many_bands():
        return _stretched(chip, spec)
    if spec.dtype == "uint16" and "nir" in spec.bands:
        return sensor_colours.colours(chip, spec.bands)
    colours = chip[..., [spec.bands.index(band) for band in RGB]]
    return (colours if spec.dtype == "uint8" else colours // 257).astype(np.uint8)


def _stretched(chip: Chip, spec: ChipSpec) -> Rgb:
    places = [spec.bands.index(band) for band in RGB]
    levels = chip[..., places].astype(np.float64)
    if spec.statistics:
        means, deviations = np.array([spec.statistics[place] for place in places]).T
    else:
        means, deviations = levels.mean(axis=(0, 1)), levels.std(axis=(0, 1))
    shares = (levels - means) / (2 * DEVIATIONS_SHOWN * np.maximum(deviations, 1)) + 0.5
    picture: Rgb = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)
    return picture

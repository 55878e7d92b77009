"""Show a chip of any bands and levels in the colours that a person sees."""

import numpy as np

from features.arrays import Chip, Rgb
from features.images import sensor_colours
from features.images.spec import ChipSpec
from features.images.stored import RGB


def visible(chip: Chip, spec: ChipSpec) -> Rgb:
    """Return a picture (side, side, 3) of a chip of this spec.

    Sensor levels get the colours of `sensor_colours`, other values of 16 bits use their whole range. Without red, green
    and blue the first band is shown in grey, from its least to its greatest level.
    """
    if not set(RGB) <= set(spec.bands):
        band = chip[..., 0].astype(np.float64)
        grey = (band - band.min()) / max(1.0, float(np.ptp(band))) * 255
        return np.repeat(np.rint(grey).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    if spec.dtype == "uint16" and "nir" in spec.bands:
        return sensor_colours.colours(chip, spec.bands)
    colours = chip[..., [spec.bands.index(band) for band in RGB]]
    return (colours if spec.dtype == "uint8" else colours // 257).astype(np.uint8)

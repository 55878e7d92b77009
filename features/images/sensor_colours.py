"""Convert a 4-band uint16 chip into visible colours like those of the competition's JPGs.

There is one fixed curve a band, fitted by `tests/benchmarks/visual_mapping.py` on 19 of the 20 real pairs of JPG and
TIF: 14 pairs are aligned, 5 are shifted by 13 to 35 pixels along x, and one shows another place. On a pair left out of
the fit the mean error is 12.1 grey levels (red 11.0, green 11.4, blue 13.9), the median 5.3; a straight line has 13.4
and a power curve 13.5. The rest of the error differs from scene to scene, by over 50 levels in two: the JPGs were
balanced scene by scene, which a fixed curve cannot follow. Knee and ceiling were chosen on the same pairs.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.arrays import Floats

BANDS = ("blue", "green", "red", "nir")  # of the input, in the order of the competition's TIFs
COLOURS = ("red", "green", "blue")  # of the output

GAINS = (41.7, 33.2, 30.1)  # grey levels per 1000 sensor levels, for red, green, blue
OFFSETS = (-42.3, -49.7, -68.9)  # grey levels
# Grey levels. The curve is straight below the knee, then bends towards the ceiling, so that clouds keep their shades.
KNEE, CEILING = 96.0, 224.0
# DN at reflectance 0 and 1. Slopes: E cos(40 degrees) t / pi * 100, with RapidEye's solar irradiances E of 1998, 1864,
# 1560 and 1124 W / (m2 um), and transmittances t of 0.80, 0.85, 0.90 and 0.68, the last so that canopies of 0.28 have
# the near infrared of real chips. Offsets: so that tropical forest (0.02, 0.04, 0.02) is as dark as in real TIFs.
REFLECTANCE_LINES = {"blue": (2950, 41900), "green": (1500, 40100), "red": (1150, 35400), "nir": (1350, 19900)}


def colours(chip: NDArray[Any], bands: Sequence[str] = BANDS, wanted: Sequence[str] = COLOURS) -> NDArray[np.uint8]:
    """Return visible colours (H, W, wanted) of a chip (H, W, bands) of uint16 analytic DN."""
    table = _table()
    return np.stack([table[COLOURS.index(name)][chip[..., bands.index(name)]] for name in wanted], axis=2)


def dn_of_reflectance(reflectance: Floats, band: str) -> NDArray[np.uint16]:
    """Return the analytic DN that a surface reflectance (0 to 1, any shape) would have; an approximation.

    A DN is a hundredth of the radiance at the sensor (W / (m2 sr um)), a straight line of the surface's reflectance
    (Chavez 1996): the air's own light, and the sun's light that the surface sends back. No chips are at hand that have
    both levels, so the lines were not fitted; see `REFLECTANCE_LINES`.
    """
    at_zero, at_one = REFLECTANCE_LINES[band]
    return np.rint(at_zero + (at_one - at_zero) * reflectance).clip(0, 65535).astype(np.uint16)


def shoulder(levels: Floats, gain: float, offset: float) -> Floats:
    """Return grey levels: a straight line that bends at `KNEE`, without a kink, towards `CEILING`.

    Args:
        levels: Sensor levels, any shape.
        gain: Grey levels per 1000 sensor levels.
        offset: Grey levels at sensor level 0.
    """
    line = offset + gain * levels / 1000
    room = CEILING - KNEE
    bent = CEILING - room * np.exp(-(np.maximum(line, KNEE) - KNEE) / room)
    return np.where(line < KNEE, line, bent)


@cache
def _table() -> NDArray[np.uint8]:
    """Return the grey level of each sensor level, (3, 65536)."""
    levels = np.arange(65536, dtype=np.float64)
    curves = [shoulder(levels, gain, offset) for gain, offset in zip(GAINS, OFFSETS, strict=True)]
    return np.rint(np.stack(curves)).clip(0, 255).astype(np.uint8)

"""Golden chips: rendered chips whose scores a bundle stores, and which it must reproduce wherever it is loaded."""

import numpy as np

from amazon_tags.datasets import sample
from features.arrays import ChipBatch
from features.images.spec import ChipSpec
from features.networks.band_lines import DEVIATIONS

GOLDEN_TAGS = (  # rendered, so that they may be published with any model
    "clear primary",
    "agriculture clear primary road",
    "haze primary water",
    "cloudy",
)
SENSOR_OFFSET, SENSOR_GAIN = 2000, 30  # from 8 bits to the usual range of a 16-bit sensor's values


def golden_chips(spec: ChipSpec) -> ChipBatch:
    """Render the golden chips of a spec; a 16-bit sensor sees vegetation as bright in near infrared as in green.

    In pairs, each has another one as that of the later date.
    """
    if spec.dates > 1:
        chips = golden_chips(spec.of_one_date())
        return np.concatenate([chips, chips[::-1]], axis=3)
    pixels = np.stack([sample.render(tags.split(), seed=seed, side=spec.side) for seed, tags in enumerate(GOLDEN_TAGS)])
    if spec.dtype == "uint8":
        return pixels
    if spec.statistics:
        return _many_bands(pixels, spec)
    channels = {"red": 0, "green": 1, "blue": 2, "nir": 1}
    bands = pixels[..., [channels[band] for band in spec.bands]].astype(np.uint16)
    return (SENSOR_OFFSET + SENSOR_GAIN * bands).astype(np.uint16)


def _many_bands(pixels: ChipBatch, spec: ChipSpec) -> ChipBatch:
    """Return chips whose colours, in turn, are the bands, within three deviations of the training chips' means."""
    means, deviations = np.array(spec.statistics).T
    channels = [place % pixels.shape[3] for place in range(len(spec.bands))]
    levels = means + DEVIATIONS * deviations * (pixels[..., channels] / 127.5 - 1)
    chips: ChipBatch = np.rint(levels).clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    return chips

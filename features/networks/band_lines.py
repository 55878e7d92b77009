"""The straight lines by which bands of 16 bits become grey levels, 0..255, inside a network."""

from collections.abc import Sequence

from features.images import sensor_colours
from features.images.layout import REFLECTANCE
from features.images.spec import ChipSpec

# Grey levels per 1000 sensor levels, and at 0: in 50 real TIFs a hundredth of the values lies below 2 or above 160.
NIR_GAIN, NIR_OFFSET = 15.0, -20.0
DEVIATIONS = 3.0  # of normally distributed levels, 3 in 1,000 lie further away
LEAST_DEVIATION = 1.0  # level, of a band that is the same everywhere
# Reflectance that becomes 255 in each of many bands, where no training chips say more: canopies, of 0.28 in near
# infrared, stay well below, while water and forest, of 0.02 to 0.05, keep some 10 to 30 grey levels.
WHITE_REFLECTANCE = 0.4


def has_lines(spec: ChipSpec) -> bool:
    """Return whether chips have the four bands of the 16-bit sensor, or many bands of reflectance."""
    return spec.dtype == "uint16" and (spec.has_many_bands() or set(spec.bands) == set(sensor_colours.BANDS))


def lines_of(spec: ChipSpec) -> tuple[list[float], list[float]]:
    """Return the gain and the offset of each band of chips that `has_lines`.

    With statistics, the mean becomes the middle of 0..255, and the ends are `DEVIATIONS` away from it. Many bands
    without statistics go from reflectance 0 to `WHITE_REFLECTANCE`.
    """
    if not spec.has_many_bands():
        return band_lines(spec.bands)
    if not spec.statistics:
        return [255 * REFLECTANCE / WHITE_REFLECTANCE] * len(spec.bands), [0.0] * len(spec.bands)
    gains = [255 / (2 * DEVIATIONS * max(deviation, LEAST_DEVIATION)) for _, deviation in spec.statistics]
    return gains, [127.5 - gain * mean for gain, (mean, _) in zip(gains, spec.statistics, strict=True)]


def band_lines(bands: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the gain and the offset of each of the four bands, straight parts of the curves in `sensor_colours`."""
    lines = dict(
        zip(sensor_colours.COLOURS, zip(sensor_colours.GAINS, sensor_colours.OFFSETS, strict=True), strict=True)
    )
    lines["nir"] = (NIR_GAIN, NIR_OFFSET)
    return [lines[band][0] / 1000 for band in bands], [lines[band][1] for band in bands]

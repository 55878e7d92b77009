"""The straight lines by which the four bands of a 16-bit sensor become grey levels, 0..255, inside a network."""

from collections.abc import Sequence

from features.images import sensor_colours
from features.images.spec import ChipSpec

# Grey levels per 1000 sensor levels, and at 0: in 50 real TIFs a hundredth of the values lies below 2 or above 160.
NIR_GAIN, NIR_OFFSET = 15.0, -20.0


def has_lines(spec: ChipSpec) -> bool:
    """Return whether chips have the four bands of the 16-bit sensor."""
    return spec.dtype == "uint16" and set(spec.bands) == set(sensor_colours.BANDS)


def band_lines(bands: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the gain and the offset of each band: the straight parts of the curves in `sensor_colours`."""
    lines = dict(
        zip(sensor_colours.COLOURS, zip(sensor_colours.GAINS, sensor_colours.OFFSETS, strict=True), strict=True)
    )
    lines["nir"] = (NIR_GAIN, NIR_OFFSET)
    return [lines[band][0] / 1000 for band in bands], [lines[band][1] for band in bands]

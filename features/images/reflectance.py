"""Convert the values of chips of many bands to surface reflectance in steps of 0.0001, as uint16.

Such chips have 5 to 16 bands. What the user states counts first, then the file, then what was stated for the training
chips. Every function raises ValueError with a message that is to be put after a file's name.
"""

import numpy as np

from features.arrays import Chip
from features.images.layout import REFLECTANCE, Levels, parse_levels
from features.images.remarks import Remark
from features.images.spec import ChipSpec
from features.images.stored import StoredImage

ASSUMED = (Remark("levels taken as surface reflectance in steps of 0.0001"),)
FLOATS = (Remark("floats taken as surface reflectance from 0 to 1"),)
PLAIN_FLOATS = ("auto", "reflectance")  # levels by which floats are reflectance already
MAX_REFLECTANCE = 2.0  # clouds and snow may exceed 1
HIGH_PERCENTILE = 99.5  # single pixels may be defects or glints


def convert_many(image: StoredImage, spec: ChipSpec) -> tuple[Chip, tuple[Remark, ...]]:
    """Return the bands of a spec of many bands (H, W, bands), and remarks on the levels.

    Args:
        image: Its bands are named and hold those of the spec; floats are levels already, by `float_scale`.
        spec: Bands and layouts.

    Raises:
        ValueError: The type is another one, or the levels are no reflectance or not what they are stated to be.
    """
    stored = str(image.pixels.dtype)
    if stored != spec.dtype:
        raise ValueError(
            f"has {image.pixels.shape[2]} bands of {stored}, but the model expects {spec.dtype} or float32 of "
            f"{', '.join(spec.bands)}; pass such chips."
        )
    pixels = image.pixels
    if image.bands != spec.bands:
        pixels = pixels[..., [image.bands.index(name) for name in spec.bands]]
    if image.is_float:
        return pixels, FLOATS if stated_levels(spec) in PLAIN_FLOATS else ()

    levels, remarks = _choose(image, spec)
    if levels.kind == "dn":
        return pixels, ()
    scales = levels.scales * len(image.bands) if len(levels.scales) == 1 else levels.scales
    chosen = [scales[image.bands.index(name)] for name in spec.bands]
    if all(pair == (REFLECTANCE, 0.0) for pair in chosen):
        return pixels, remarks
    values = pixels * [scale for scale, _ in chosen] + [offset for _, offset in chosen]
    steps: Chip = np.rint(values / REFLECTANCE).clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    return steps, remarks


def stated_levels(spec: ChipSpec) -> str:
    """Return the levels that the user states, or else those that were stated for the training chips."""
    return spec.layout.levels if spec.layout.levels != "auto" else spec.training_layout.levels


def float_scales(spec: ChipSpec, bands: int) -> tuple[tuple[float, float], ...]:
    """Return the (scale, offset) to reflectance that are stated for floats of many bands; none for reflectance.

    Raises:
        ValueError: The stated levels are none of floats.
    """
    text = stated_levels(spec)
    if text in PLAIN_FLOATS:
        return ()
    levels = parse_levels(text)
    if levels.kind != "reflectance":
        raise ValueError(
            f"holds floats, but --levels are {text}; floats of many bands are reflectance from 0 to 1, or state "
            "the scale that makes it of them, such as 0.0001, with its offset such as 0.0000275,-0.2."
        )
    return levels.scales * bands


def _choose(image: StoredImage, spec: ChipSpec) -> tuple[Levels, tuple[Remark, ...]]:
    """Return the levels, of the kind dn or reflectance, and a remark if they are assumed."""
    stated = stated_levels(spec)
    levels = parse_levels(stated)
    if stated == "auto" and image.scales:
        levels = Levels("reflectance", image.scales)
    elif stated == "auto":
        levels = Levels("reflectance", assumed=True)
    if levels.kind not in ("dn", "reflectance"):
        raise ValueError(
            f"has --levels {stated}, which are colours, but a model of {len(spec.bands)} bands expects surface "
            "reflectance; state dn to take levels as they are, or a scale such as 0.0001."
        )
    highest = _highest(image, levels, spec)
    if levels.kind == "reflectance" and highest > MAX_REFLECTANCE:
        raise ValueError(
            f"has levels that would be a surface reflectance of {highest:,.4g}; say by --levels what they are: a scale "
            "such as 0.0001, with its offset such as 0.0000275,-0.2, or dn to take levels as they are."
        )
    return levels, ASSUMED if levels.assumed else ()


def _highest(image: StoredImage, levels: Levels, spec: ChipSpec) -> float:
    """Return a reflectance that hardly any pixel with data exceeds in any of the spec's bands."""
    scales = levels.scales * len(image.bands) if len(levels.scales) == 1 else levels.scales
    highest = 0.0
    for name in spec.bands:
        band = image.bands.index(name)
        values = image.pixels[..., band] if image.valid is None else image.pixels[image.valid, band]
        scale, offset = scales[band]
        highest = max(highest, scale * float(np.percentile(values, HIGH_PERCENTILE)) + offset)
    return highest

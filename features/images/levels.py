"""Convert the levels of 16-bit chips: analytic DN, surface reflectance, or colours of a stated number of bits.

Every function raises ValueError with a message that is to be put after a file's name.
"""

from collections.abc import Sequence

import numpy as np

from features.arrays import Chip
from features.images import reflectance, sensor_colours
from features.images.bands import NAME_ALL
from features.images.floats import float_ranges
from features.images.layout import Levels, Ranges, parse_levels, refuse_percentiles
from features.images.reflectance import FLOATS, HIGH_PERCENTILE, MAX_REFLECTANCE
from features.images.remarks import Remark
from features.images.spec import SENSOR_BANDS, ChipSpec
from features.images.stored import RGB, StoredImage

RADIANCE_OF_DN = 0.01  # W / (m2 sr um) per level of Planet's analytic DN
# A 16-bit picture whose levels stay below is darker than any of 2,302 real chips, whose maxima are 64 of 255 or more.
MIN_FULL_RANGE_LEVEL = 1 << 14
MAX_FLOOR_SHARE = 0.5  # of pixels with a colour that is black by the curve; real DN have none, by the air's own light
# The brightest pixel of a real chip has 64. The curve ends at 224; no real TIF of 50 has 40 % of its pixels above 200.
MIN_GREY, CEILING_GREY = 16, 200
SAMPLED_ROWS = 64
# Vegetation is dark in red. Over bright red, real DN of near infrared are lower than those of red, or little higher.
BRIGHT_RED_DN, MAX_BRIGHT_RATIO = 6000, 1.5
ADVICE = (
    "say what the levels are: --levels dn, reflectance, a scale such as 0.0000275,-0.2, bits such as 12bit, or the "
    "values that become black and white, such as 300:2800."
)


def convert(image: StoredImage, spec: ChipSpec) -> tuple[Chip, tuple[Remark, ...]]:
    """Return the bands and type of a spec, (H, W, bands), and remarks on the levels.

    Args:
        image: An image whose bands are named and hold those of the spec.
        spec: Bands, type and layout.

    Raises:
        ValueError: The type is another one, or the levels are unknown or not what they are stated or assumed to be.
    """
    if spec.has_many_bands():
        return reflectance.convert_many(image, spec)
    stored = str(image.pixels.dtype)
    if stored == "uint8" and parse_levels(spec.layout.levels).ranges:
        raise ValueError(
            f"holds colours of 8 bits, which are read as they are, but --levels are {spec.layout.levels}; leave "
            "them out."
        )
    if stored == spec.dtype and (stored == "uint8" or "nir" not in spec.bands):
        return _select(image.pixels, image.bands, spec.bands), FLOATS if image.is_float else ()
    if stored == "uint8" or (spec.dtype == "uint8" and not set(spec.bands) <= set(RGB)):
        raise ValueError(
            f"has {image.pixels.shape[2]} bands of {stored}, but the model expects {spec.dtype} "
            f"{', '.join(spec.bands)}; pass such chips."
        )

    levels = _choose(image, spec)
    if levels.kind == "range":
        return _from_ranges(image, levels.ranges, spec)
    if levels.kind == "bits":
        if spec.dtype != "uint8":
            raise ValueError(f"holds colours of {levels.bits} bits, but the model expects the levels of a sensor.")
        return _from_bits(image, levels.bits, spec), ()

    dn = image.pixels if levels.kind == "dn" else _to_dn(image, levels)
    remarks = _judge(dn, image, levels)
    if spec.dtype == "uint8":
        return sensor_colours.colours(dn, image.bands, spec.bands), remarks
    return _select(dn, image.bands, spec.bands), remarks


def _choose(image: StoredImage, spec: ChipSpec) -> Levels:
    """Return the levels that the user states, else the file, else those that are assumed."""
    refuse_percentiles(spec.layout.levels)
    ranges = float_ranges(spec) if image.is_float else ()
    levels = Levels("range", ranges=ranges) if ranges else parse_levels(spec.layout.levels)
    if image.is_float and not ranges and levels.kind != "auto" and levels != parse_levels("reflectance"):
        raise ValueError(
            f"holds floats, which are read as surface reflectance from 0 to 1, but --levels are {spec.layout.levels}; "
            "leave them out, or state which values become black and white, such as 0:3000."
        )
    if levels.kind != "auto":
        return levels
    if image.scales:
        return _by_scales(image)

    highest = int(_high_level(image, spec.bands))
    if image.bits and image.bits < 16 and highest < 1 << image.bits and "nir" not in image.bands:
        return Levels("bits", bits=image.bits)
    trained = parse_levels(spec.training_layout.levels)
    if trained.kind != "auto" and (image.format != "png" or trained.kind == "bits"):
        return trained
    if image.format == "png":
        if highest < MIN_FULL_RANGE_LEVEL:
            raise ValueError(
                f"is a 16-bit PNG whose levels end at {highest:,} of 65,535, so it would be nearly black; if these are "
                f"levels of {highest.bit_length()} bits, pass --levels {highest.bit_length()}bit, else scale them to "
                "the whole range."
            )
        return Levels("bits")
    if "nir" in image.bands:
        return Levels("dn", assumed=True)
    raise ValueError(
        f"has {image.pixels.shape[2]} bands of uint16, but the model expects {spec.dtype} {', '.join(spec.bands)}; "
        f"{_advice(image)}"
    )


def _advice(image: StoredImage) -> str:
    """Return what to do about levels that are unknown, with a way for files of many bands."""
    count = len(image.bands)
    return f"{ADVICE} To read all {count} bands as reflectance, {NAME_ALL}." if count > SENSOR_BANDS else ADVICE


def _by_scales(image: StoredImage) -> Levels:
    """Return the levels that a file's scales and offsets state: reflectance, or radiance as analytic DN are."""
    scales = {pair for pair, name in zip(image.scales, image.bands, strict=True) if name in sensor_colours.BANDS}
    if scales == {(RADIANCE_OF_DN, 0.0)}:
        return Levels("dn")
    level = _high_level(image, sensor_colours.BANDS)
    highest = max((scale * level + offset for scale, offset in scales), default=0.0)
    if not 0 < highest <= MAX_REFLECTANCE:
        raise ValueError(
            f"states a scale of {image.scales[0][0]:g} and an offset of {image.scales[0][1]:g}, by which its highest "
            f"level is {highest:g}, so it is no reflectance; {_advice(image)}"
        )
    return Levels("reflectance", image.scales)


def _high_level(image: StoredImage, bands: Sequence[str]) -> float:
    """Return a level that hardly any pixel with data exceeds in these bands; single pixels may be defects or glints."""
    places = [place for place, name in enumerate(image.bands) if name in bands]
    pixels = image.pixels[..., places]
    if image.valid is not None and image.valid.any():
        pixels = pixels[image.valid]
    return float(np.percentile(pixels, HIGH_PERCENTILE)) if pixels.size else 0.0


def _from_bits(image: StoredImage, bits: int, spec: ChipSpec) -> Chip:
    """Return colours from 0 to 2**bits - 1 as 0 to 255; higher levels of a few pixels end at 255."""
    top = (1 << bits) - 1
    highest = _high_level(image, spec.bands)
    if highest > top:
        raise ValueError(f"has levels up to {highest:,.0f}, but {bits} bits end at {top:,}; pass other --levels.")
    pixels = _select(image.pixels, image.bands, spec.bands)
    colours: Chip = np.rint(np.minimum(pixels, top) / (top / 255)).astype(np.uint8)
    return colours


def _from_ranges(image: StoredImage, ranges: Ranges, spec: ChipSpec) -> tuple[Chip, tuple[Remark, ...]]:
    """Return values from low to high as 0 to 255, and a remark if most pixels lie beyond; those end at 0 and 255.

    Args:
        image: Levels; those of floats have scales, which give the values again.
        ranges: A pair for all bands, or one for each band of the spec.
        spec: Its bands are those of the result.
    """
    if spec.dtype != "uint8":
        raise ValueError("has --levels that are colours, but the model expects the levels of a sensor.")
    if len(ranges) not in (1, len(spec.bands)):
        raise ValueError(
            f"has --levels of {len(ranges)} bands, but the model has {len(spec.bands)} ({', '.join(spec.bands)}); "
            "state one pair for all, or one for each."
        )
    values = _select(image.pixels, image.bands, spec.bands).astype(np.float64)
    if image.is_float:
        step, offset = image.scales[0]
        values = values * step + offset
    lows, highs = np.array(ranges).T
    shares = (values - lows) / (highs - lows)
    colours: Chip = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)

    filled = np.ones(shares.shape[:2], np.bool_) if image.valid is None else image.valid
    outside = ((shares <= 0) | (shares >= 1)).any(axis=2)[filled]
    if outside.size and np.mean(outside) > MAX_FLOOR_SHARE:
        return colours, (Remark("most pixels lie outside the stated levels; are they right?"),)
    return colours, ()


def _to_dn(image: StoredImage, levels: Levels) -> Chip:
    """Return levels of reflectance as analytic DN; bands that are none of the sensor's stay as they are."""
    scales = levels.scales * len(image.bands) if len(levels.scales) == 1 else levels.scales
    dn = image.pixels.copy()
    for band, (name, (scale, offset)) in enumerate(zip(image.bands, scales, strict=True)):
        if name in sensor_colours.BANDS:
            reflectance = scale * image.pixels[..., band].astype(np.float64) + offset
            dn[..., band] = sensor_colours.dn_of_reflectance(reflectance, name)
    return dn


def _judge(dn: Chip, image: StoredImage, levels: Levels) -> tuple[Remark, ...]:
    """Refuse levels that cannot be analytic DN, and return remarks on those that may not be.

    Only pixels with data count, and only every few rows and columns.
    """
    colours = [name for name in sensor_colours.COLOURS if name in image.bands]
    if not colours:
        return ()
    step = max(1, min(dn.shape[:2]) // SAMPLED_ROWS)
    sample = dn[::step, ::step].reshape(-1, 1, dn.shape[2])
    filled = (sample != 0).any(axis=(1, 2))  # black in all bands is where no data is, as `nodata` remarks
    if image.valid is not None:
        filled &= image.valid[::step, ::step].ravel()
    sample = sample[filled] if filled.any() else sample
    visible = sensor_colours.colours(sample, image.bands, colours)[:, 0]

    found = ", ".join(
        f"{name} {image.pixels[..., band].min():,} to {image.pixels[..., band].max():,}"
        for band, name in enumerate(image.bands)
        if name in sensor_colours.BANDS
    )
    black = np.mean((visible == 0).any(axis=1))
    if visible.max() < MIN_GREY or (levels.assumed and black > MAX_FLOOR_SHARE):
        raise ValueError(f"has levels too low for analytic DN ({found}), and would be black; {_advice(image)}")
    if levels.assumed and "nir" in image.bands and "red" in image.bands:
        red, nir = (sample[:, 0, image.bands.index(name)] for name in ("red", "nir"))
        if np.percentile(red, 1) > BRIGHT_RED_DN and np.median(nir) > MAX_BRIGHT_RATIO * np.median(red):
            raise ValueError(
                f"has levels that are no analytic DN ({found}): red is bright, and near infrared far brighter; "
                f"{_advice(image)}"
            )

    remarks = [Remark("levels taken as analytic DN")] if levels.assumed else []
    remarks += FLOATS if image.is_float else ()
    if black > MAX_FLOOR_SHARE:
        remarks.append(Remark("most pixels lack a colour wholly; are the levels right?", f"levels of {found}"))
    if np.mean((visible >= CEILING_GREY).all(axis=1)) > MAX_FLOOR_SHARE:
        remarks.append(Remark("most pixels are nearly white; are the levels right?", f"levels of {found}"))
    return tuple(remarks)


def _select(pixels: Chip, stored: Sequence[str], wanted: Sequence[str]) -> Chip:
    """Return the wanted bands, the pixels themselves if they have just these."""
    if tuple(stored) == tuple(wanted):
        return pixels
    selected: Chip = pixels[..., [stored.index(name) for name in wanted]].copy()
    return selected

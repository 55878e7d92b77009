"""Declare what a user states about the files of chips: the order of their bands, and what their levels are."""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from features.images.band_names import standard_name
from features.images.stored import MAX_BANDS, RGB

Ranges = tuple[tuple[float, float], ...]  # (low, high) of each band of the model, or one pair for all
NARROW_NIR = "b8a"
REFLECTANCE = 1e-4  # per level, of Planet's, Sentinel-2's and MODIS' surface reflectance


@dataclass(frozen=True)
class Levels:
    """What levels are.

    Attributes:
        kind: `auto`: as the file states; `dn`: Planet's analytic DN; `reflectance`: scale * level + offset is surface
            reflectance; `bits`: colours from 0 to 2**bits - 1; `range`: colours from a low to a high value;
            `percentiles`: the same, between values that are still to be found in a scene.
        scales: (scale, offset) of each band, or one pair for all.
        bits: 1 to 16.
        ranges: for `range`, values as the file stores them; for `percentiles`, from 0 to 100.
        assumed: whether this is an assumption, and not stated by the file or the user.
    """

    kind: Literal["auto", "dn", "reflectance", "bits", "range", "percentiles"] = "auto"
    scales: tuple[tuple[float, float], ...] = ((REFLECTANCE, 0.0),)
    bits: int = 16
    ranges: Ranges = ()
    assumed: bool = False


@cache
def parse_levels(text: str) -> Levels:
    """Return the levels of an option `--levels`.

    It is auto, dn, reflectance, SCALE, SCALE,OFFSET, a number with `bit`, LOW%:HIGH%, or LOW:HIGH of all bands or,
    separated by commas, of each band of the model.

    Raises:
        ValueError: The text is none of these.

    Example:
        >>> parse_levels("12bit").bits, parse_levels("0.0000275,-0.2").scales
        (12, ((2.75e-05, -0.2),))
        >>> parse_levels("300:2800").ranges, parse_levels("2%:98%").kind
        (((300.0, 2800.0),), 'percentiles')
    """
    if text in ("auto", "dn", "reflectance"):
        return Levels(text)  # type: ignore[arg-type]
    bits = re.fullmatch(r"(\d+) ?bits?", text)
    if bits and 1 <= int(bits[1]) <= 16:
        return Levels("bits", bits=int(bits[1]))
    if ":" in text:
        return _parse_ranges(text)
    try:
        scale, offset = [*map(float, text.split(",")), 0.0][:2]
    except ValueError:
        scale, offset = 0.0, 0.0
    if text.count(",") > 1 or not 0 < scale <= 1 or not abs(offset) <= 1:
        raise ValueError(
            f"levels are {text!r}, but must be auto, dn, reflectance, a scale to reflectance such as 0.0001, with its "
            "offset such as 0.0000275,-0.2, bits such as 12bit, or the values that become black and white, such as "
            "300:2800."
        )
    return Levels("reflectance", ((scale, offset),))


def _parse_ranges(text: str) -> Levels:
    """Return the levels of LOW:HIGH of one band or more, or of LOW%:HIGH%."""
    percents = [number.strip().endswith("%") for number in re.split("[:,]", text)]
    try:
        pairs = [
            tuple(float(number.strip().removesuffix("%")) for number in pair.split(":")) for pair in text.split(",")
        ]
    except ValueError:
        pairs = [()]
    if any(len(pair) != 2 or not math.isfinite(sum(pair)) or pair[0] >= pair[1] for pair in pairs):
        raise ValueError(
            f"levels are {text!r}, but must be LOW:HIGH, two numbers of which the second is higher, such as 300:2800, "
            "or such a pair for each band of the model, separated by commas."
        )
    ranges = tuple((low, high) for low, high in pairs)
    if not any(percents):
        return Levels("range", ranges=ranges)
    if not all(percents) or len(ranges) > 1 or not 0 <= ranges[0][0] < ranges[0][1] <= 100:
        raise ValueError(
            f"levels are {text!r}, but percentiles must be one pair for all bands, from 0% to 100%, such as 2%:98%."
        )
    return Levels("percentiles", ranges=ranges)


def refuse_percentiles(text: str) -> None:
    """Raise ValueError for levels that only a whole scene can define."""
    if parse_levels(text).kind == "percentiles":
        raise ValueError(
            f"levels {text} are percentiles of a whole scene, which map and change find; state values such as "
            "300:2800, as map prints them."
        )


def format_ranges(ranges: Ranges) -> str:
    """Return the text of which `parse_levels` makes these ranges, with at most 5 digits a number."""
    return ",".join(f"{low:.5g}:{high:.5g}" for low, high in ranges)


def parse_bands(text: str) -> tuple[str, ...]:
    """Return the names of bands that commas or blanks separate, as `band_names` reads descriptions.

    Raises:
        ValueError: There are none or too many, or red, green, blue or nir is there twice.

    Example:
        >>> parse_bands("Blue, g,B04,NIR")
        ('blue', 'green', 'red', 'nir')
    """
    words = text.casefold().replace(",", " ").split()
    names = tuple(standard_name(word) or word for word in words)
    if NARROW_NIR in words and names.count("nir") > 1:  # Sentinel-2 has two bands of near infrared
        names = tuple(NARROW_NIR if word == NARROW_NIR else name for word, name in zip(words, names, strict=True))
    if not 0 < len(names) <= MAX_BANDS:
        raise ValueError(f"{text!r} names {len(names)} bands; name 1 to {MAX_BANDS}, such as blue,green,red,nir.")
    repeated = [name for name in (*RGB, "nir") if names.count(name) > 1]
    if repeated:
        raise ValueError(f"{text!r} names {repeated[0]} more than once; name each band of the file once.")
    return names


@dataclass(frozen=True)
class Layout:
    """What a user states about files that do not state it, or state it wrongly.

    Attributes:
        bands: Names of a TIF's bands in its order; any word may stand for a band that the network does not take.
            None: as the file states.
        levels: What the levels of 16-bit chips are; see `parse_levels`.
    """

    bands: tuple[str, ...] | None = None
    levels: str = "auto"

    def __post_init__(self) -> None:
        """Raise ValueError for bands or levels that cannot be."""
        parse_levels(self.levels)
        if self.bands is not None:
            parse_bands(" ".join(self.bands))


AS_STATED = Layout()

"""What a backbone of the user's own takes and gives: the TOML file beside its ONNX or OpenVINO file.

`foreign` builds the network. Importing this loads no network library.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from features.images.sensor_colours import BANDS
from features.images.spec import ChipSpec
from features.images.stored import RGB

SUFFIXES = (".onnx", ".xml")
PRESET_PREFIX = "hub:"  # of a KerasHub preset, which `hub` converts
LAYOUTS = ("nchw", "nhwc")
POOLS = ("class", "average", "max")
MAX_SIDE_PIXELS = 1024  # as of recipes


@dataclass(frozen=True)
class ForeignSettings:
    """The keys of the TOML file. The network's input is (scale * pixel - mean) / std, of pixels 0..255.

    Attributes:
        side: Of its images, in pixels.
        bands: Of its images in their order: red, green, blue, nir.
        layout: The order of the axes of its images and feature maps, `nchw` or `nhwc`.
        width: Columns of its vectors, after pooling.
        scale: Factor of the pixels.
        mean: For each band, after `scale`; none: 0.
        std: For each band; none: 1.
        output: The name of the output; not needed if there is one only.
        pool: How feature maps (of four dimensions) or tokens (chips, tokens, channels) become vectors, one or several
            of `POOLS`, which are concatenated; none: the output are vectors.
        prefix_tokens: How many tokens before those of the patches are left out of `average` and `max`; `class` is the
            first token.
        licence: A note for the card.
    """

    side: int
    bands: tuple[str, ...]
    layout: str
    width: int
    scale: float
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    output: str = ""
    pool: tuple[str, ...] = ()
    prefix_tokens: int = 0
    licence: str = ""

    def chip_spec(self) -> ChipSpec:
        """Return the chips that hold these bands: of 8 bits, or all bands of the 16-bit sensor."""
        if set(self.bands) <= set(RGB):
            return ChipSpec(side=self.side)
        return ChipSpec(BANDS, "uint16", self.side)


def is_foreign(backbone: str) -> bool:
    """Return whether the name of a backbone is that of a file or of a KerasHub preset."""
    return backbone.lower().endswith(SUFFIXES) or backbone.startswith(PRESET_PREFIX)


def read_settings(path: Path) -> ForeignSettings:
    """Read a TOML file.

    Raises:
        ValueError: It cannot be used; the message names the file and the key.
    """
    try:
        return _settings(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValueError as error:  # of TOML and UTF-8, too
        raise ValueError(f"{path}: {error}") from error


def _settings(values: Mapping[str, Any]) -> ForeignSettings:
    entries = {entry.name: entry for entry in fields(ForeignSettings)}
    unknown = [key for key in values if key not in entries]
    if unknown:
        raise ValueError(f"there is no key {unknown[0]}; use {', '.join(entries)}.")
    missing = [name for name, entry in entries.items() if entry.default is MISSING and name not in values]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing; add {'it' if len(missing) == 1 else 'them'}.")
    settings = ForeignSettings(**{key: _typed(key, entries[key].type, value) for key, value in values.items()})

    _refuse("side", settings.side, 1 <= settings.side <= MAX_SIDE_PIXELS, f"1 to {MAX_SIDE_PIXELS}")
    _refuse("width", settings.width, settings.width >= 1, "1 or more")
    _refuse("bands", list(settings.bands), bool(settings.bands) and set(settings.bands) <= set(BANDS), "of " + _names())
    _refuse("layout", settings.layout, settings.layout in LAYOUTS, " or ".join(LAYOUTS))
    _refuse("scale", settings.scale, 0 < settings.scale < float("inf"), "a positive number, such as 1 or 0.00392")
    for key in ("mean", "std"):
        value = getattr(settings, key)
        fits = len(value) in (0, len(settings.bands)) and all(abs(number) < float("inf") for number in value)
        _refuse(key, list(value), fits, f"one number for each of {len(settings.bands)} bands")
    _refuse("std", list(settings.std), all(number > 0 for number in settings.std), "positive")
    _refuse("pool", list(settings.pool), set(settings.pool) <= set(POOLS), f"one or several of {', '.join(POOLS)}")
    _refuse("prefix_tokens", settings.prefix_tokens, settings.prefix_tokens >= 0, "0 or more")
    return settings


def _typed(key: str, kind: Any, value: Any) -> Any:
    """Return a TOML value as its field's type; a text may stand for a list of one."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        _refuse(key, value, number and isinstance(value, int), "a whole number")
        return value
    if kind is float:
        _refuse(key, value, number, "a number")
        return float(value)
    if kind is str:
        _refuse(key, value, isinstance(value, str), "text")
        return value
    values = [value] if isinstance(value, str) and kind == tuple[str, ...] else value
    of = str if kind == tuple[str, ...] else (int, float)
    fits = isinstance(values, list) and all(isinstance(entry, of) and not isinstance(entry, bool) for entry in values)
    _refuse(key, value, fits, "a list of names" if of is str else "a list of numbers")
    return tuple(values) if of is str else tuple(map(float, values))


def _refuse(key: str, value: Any, fits: bool, expected: str) -> None:
    if not fits:
        raise ValueError(f"{key} is {value!r}, but must be {expected}.")


def _names() -> str:
    return ", ".join((*RGB, "nir"))

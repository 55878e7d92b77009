"""Name the bands of a file by its metadata: descriptions first, then the colour interpretation."""

import re
from collections.abc import Sequence

from features.images.stored import RGB

SINGLE_WORDS = {"r": "red", "g": "green", "b": "blue", "n": "nir", "vnir": "nir", "gray": "grey"}
COLOUR_WORDS = {"red": "red", "green": "green", "blue": "blue", "nir": "nir", "nir1": "nir", "nir08": "nir"}
OTHER_BANDS = frozenset(("edge", "coastal", "i", "ii", "ratio", "index", "minus", "diff", "over", "std", "mask"))
NEAR_INFRARED = re.compile(r"near[\s_-]*(infra[\s_-]*red|ir\b)", re.IGNORECASE)
# Sentinel-2's numbers; of Landsat 8 and 9, blue, green and red are the same.
SENSOR_CODES = {"b2": "blue", "b3": "green", "b4": "red", "b8": "nir", "b8a": "nir"}
# Words that say nothing about the colour.
FILLERS = frozenset(("band", "channel", "layer", "ch", "sr", "toa", "boa", "surface", "reflectance", "radiance", "nm"))
WORD = re.compile(r"[a-z0-9]+")
PADDED_CODE = re.compile(r"\bb0\d", re.IGNORECASE)  # as Sentinel-2's are written
CODE = re.compile(r"b\d+a?|nir1|nir08")
COLOUR_INTERPRETATIONS = {"gray": "grey", "undefined": ""}


def standard_names(descriptions: Sequence[str | None], colours: Sequence[str]) -> tuple[str, ...]:
    """Return what each band is: red, green, blue, nir, grey, alpha, or the file's own word; "" if it states nothing.

    Args:
        descriptions: Of the bands, as the file has them.
        colours: Colour interpretations, by GDAL's names. They count only where they name a colour or alpha: a file of
            many bands calls its first one gray unless it is told otherwise.

    Example:
        >>> standard_names(["B04 (665 nm)", "Green", "blue", "Near-Infrared"], ["gray"] + ["undefined"] * 3)
        ('red', 'green', 'blue', 'nir')
        >>> standard_names(["Band 1", "Band 2", "Band 3"], ["red", "green", "blue"])
        ('red', 'green', 'blue')
        >>> standard_names(["VV", "VH"], ["gray", "undefined"])
        ('vv', 'vh')
    """
    described = _by_descriptions(descriptions)
    if any(described):
        pairs = zip(described, colours, strict=True)
        return tuple(name or ("alpha" if colour == "alpha" else "") for name, colour in pairs)
    if len(colours) > 1 and not set(RGB) & set(colours) and "alpha" not in colours[1:2]:
        return tuple("" if colour == "gray" else COLOUR_INTERPRETATIONS.get(colour, colour) for colour in colours)
    return tuple(COLOUR_INTERPRETATIONS.get(colour, colour) for colour in colours)


def standard_name(text: str) -> str:
    """Return the standard name of one description: a colour, or its own words; "" if it is only a number.

    Example:
        >>> [standard_name(text) for text in ("Blue band", "coastal blue", "Red Edge", "Band 3", "NIR (842 nm)")]
        ['blue', 'coastal_blue', 'red_edge', '', 'nir']
    """
    words = _words(text)
    colours = {COLOUR_WORDS[word] for word in words if word in COLOUR_WORDS}
    codes = {SENSOR_CODES[word] for word in words if word in SENSOR_CODES}
    if not OTHER_BANDS & set(words) and len(colours or codes) == 1:
        return (colours or codes).pop()
    return SINGLE_WORDS.get(words[0], words[0]) if len(words) == 1 else "_".join(words)


def _by_descriptions(descriptions: Sequence[str | None]) -> list[str]:
    """Return the standard names of all bands; B1, B2 and so on may be a count, or an older Landsat's codes."""
    texts = [text or "" for text in descriptions]
    codes = ["_".join(_words(text)) for text in texts]
    first = 0 if codes[0] == "b0" else 1
    are_sentinels = "b8a" in codes or any(PADDED_CODE.search(text) for text in texts)
    if not are_sentinels and codes == [f"b{number}" for number in range(first, first + len(texts))]:
        return [""] * len(texts)
    if not are_sentinels and "b1" in codes:
        return codes
    names = [standard_name(text) for text in texts]
    if "b8" in codes and "b8a" in codes:  # both are near infrared; b8a has coarser pixels
        names[codes.index("b8a")] = "b8a"
    return names


def _words(text: str) -> list[str]:
    """Return the words that may name a band: no fillers, and nothing with digits but codes such as B04."""
    found = WORD.findall(NEAR_INFRARED.sub("nir", text).casefold())
    words = [word for word in found if word not in FILLERS and (word.isalpha() or CODE.fullmatch(word))]
    return [re.sub(r"^b0(?=\d)", "b", word) for word in words]

"""Decide which band of an image is which colour: by the user's order, by the file, else by count and type.

Every function raises ValueError with a message that is to be put after a file's name.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.arrays import Chip
from features.images import sensor_colours
from features.images.remarks import Remark
from features.images.spec import SENSOR_BANDS, ChipSpec
from features.images.stored import RGB, StoredImage

# For files that name no band. Four of uint8 are not listed: they may hold alpha.
ASSUMED_BANDS = {
    (3, "uint8"): RGB,
    (3, "uint16"): RGB,
    (4, "uint16"): sensor_colours.BANDS,
    (3, "float32"): RGB,
    (4, "float32"): sensor_colours.BANDS,
}
NAME_ALL = "name all in a recipe, or by --bands where a command takes a backbone"
MIN_EXTREME_SHARE = 0.5  # of alpha at 0 or its maximum; in 50 real TIFs near infrared has at most 0.0001 there


def name_bands(image: StoredImage, spec: ChipSpec) -> tuple[StoredImage, tuple[Remark, ...]]:
    """Return the image with a name for each band, and remarks if the names are assumed, or some of many are not read.

    Grey becomes red, green and blue, and alpha becomes `valid`. The user's order counts first, then what the file
    states, then the order of the training chips' files.

    Raises:
        ValueError: The bands are other ones than the model expects, they cannot be assumed, or the file contradicts the
            order of the training chips' files.
    """
    named, remarks = _name_bands(image, spec)
    count = len(named.bands)
    if count > max(SENSOR_BANDS, len(spec.bands)):
        remarks += (Remark(f"only {', '.join(spec.bands)} of {count} bands are read; {NAME_ALL}"),)
    return named, remarks


def _name_bands(image: StoredImage, spec: ChipSpec) -> tuple[StoredImage, tuple[Remark, ...]]:
    """As `name_bands`, but without the remark on bands that are not read."""
    if image.format in ("tif", "array"):  # others state their bands by their format
        if spec.layout.bands:
            return _ordered(image, spec.layout.bands, spec), ()
        image = _without_false_alpha(image)
        trained = spec.training_layout.bands
        if trained and len(trained) == len(image.bands):
            _refuse_contradiction(image.bands, trained)
            return _ordered(image, trained, spec), ()

    image = _without_alpha(image)
    if image.bands == ("grey",):
        grey: NDArray[Any] = image.pixels
        image = replace(image, pixels=np.repeat(grey, len(RGB), axis=2), bands=RGB)
    if any(image.bands):
        _refuse_other_bands(image.bands, spec, "states the bands")
        return image, ()

    count = image.pixels.shape[2]
    names = ASSUMED_BANDS.get((count, str(image.pixels.dtype)), spec.bands if count == len(spec.bands) else ())
    if not set(spec.bands) <= set(names):
        advice = "pass 3-band 8-bit chips, or 4-band 16-bit ones in the order blue, green, red, near infrared"
        if spec.has_many_bands():
            advice = "pass chips of these bands, in this order where the file states no names"
        raise ValueError(
            f"has {count} bands of {image.pixels.dtype}, but the model expects {spec.dtype} {', '.join(spec.bands)}; "
            f"{advice}, or name the file's bands by --bands."
        )
    return replace(image, bands=names), (Remark(f"{len(names)} bands taken as {', '.join(names)}"),)


def _ordered(image: StoredImage, order: tuple[str, ...], spec: ChipSpec) -> StoredImage:
    """Return the image with the names that a user gave to its bands."""
    stored = image.pixels.shape[2]
    if stored != len(order):
        raise ValueError(
            f"has {stored} bands, but {len(order)} are stated ({', '.join(order)}); name each band of the file in "
            "--bands, in its order."
        )
    _refuse_other_bands(order, spec, "has, as stated, the bands")
    return _without_alpha(replace(image, bands=order))


def _refuse_contradiction(stated: tuple[str, ...], trained: tuple[str, ...]) -> None:
    """Raise ValueError if a file names a band otherwise than the user did for the training chips."""
    for name, other in zip(stated, trained, strict=True):
        if name and name != other and {name, other} & {*RGB, "nir", "alpha", "grey"}:
            raise ValueError(
                f"states the bands {_listed(stated)}, but the model's training chips were read as {_listed(trained)}; "
                "say by --bands which is right for these chips."
            )


def _without_false_alpha(image: StoredImage) -> StoredImage:
    """Return the image without names if what it calls alpha is none.

    The competition's TIFs call blue, green, red, near infrared "red, green, blue, alpha". Where the other bands hold
    data, such a fourth band is rarely 0 or at its maximum; then nothing that the file says of its bands is believed.

    Raises:
        ValueError: The band of an 8-bit file, or of other bands, is no alpha.
    """
    if image.bands.count("alpha") != 1:
        return image
    alpha, rest = _split_alpha(image)
    alpha = alpha[(rest != 0).any(axis=2)]
    if not alpha.size or np.mean((alpha == 0) | (alpha == alpha.max())) >= MIN_EXTREME_SHARE:
        return image
    if image.pixels.dtype != np.uint8 and image.bands == (*RGB, "alpha"):
        return replace(image, bands=("",) * len(image.bands))
    raise ValueError(
        "states that a band is alpha, but it is neither transparent nor opaque in most pixels; name the bands by "
        "--bands, in the file's order."
    )


def _without_alpha(image: StoredImage) -> StoredImage:
    """Return the image without its band of alpha, whose zeros become invalid pixels."""
    if image.bands.count("alpha") != 1:
        return image
    alpha, rest = _split_alpha(image)
    valid = alpha > 0 if image.valid is None else image.valid & (alpha > 0)
    names = tuple(name for name in image.bands if name != "alpha")
    return replace(image, pixels=rest, bands=names, valid=valid, scales=_scales_without_alpha(image))


def _split_alpha(image: StoredImage) -> tuple[NDArray[Any], Chip]:
    """Return the band of alpha (H, W), and the others (H, W, bands - 1)."""
    place = image.bands.index("alpha")
    rest: Chip = image.pixels[..., [band for band in range(len(image.bands)) if band != place]].copy()
    return image.pixels[..., place], rest


def _scales_without_alpha(image: StoredImage) -> tuple[tuple[float, float], ...]:
    if not image.scales:
        return ()
    return tuple(pair for pair, name in zip(image.scales, image.bands, strict=True) if name != "alpha")


def _refuse_other_bands(stated: tuple[str, ...], spec: ChipSpec, what: str) -> None:
    """Raise ValueError unless each band of the spec is stated once."""
    for name in spec.bands:
        if stated.count(name) != 1:
            problem = f"no {name}" if name not in stated else f"{stated.count(name)} bands named {name}"
            raise ValueError(
                f"{what} {_listed(stated)}, so {problem}, but the model expects {', '.join(spec.bands)}; pass chips "
                "with these bands, or name the file's bands by --bands."
            )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(name or "unnamed" for name in names)

"""Decide which band of an image is which colour: by the user's order, by the file, else by count and type.

Every function raises ValueError with a message that is to be put after a file's name.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.images import sensor_colours
from features.images.remarks import Remark
from features.images.spec import ChipSpec
from features.images.stored import RGB, StoredImage

# For files that name no band. Four of uint8 are not listed: they may hold alpha.
ASSUMED_BANDS = {
    (3, "uint8"): RGB,
    (3, "uint16"): RGB,
    (4, "uint16"): sensor_colours.BANDS,
}
MIN_EXTREME_SHARE = 0.5  # of alpha at 0 or its maximum; near infrared has less than 0.01 there


def name_bands(image: StoredImage, spec: ChipSpec) -> tuple[StoredImage, tuple[Remark, ...]]:
    """Return the image with a name for each band, and a remark if the names are assumed.

    Grey becomes red, green and blue, and alpha becomes `valid`.

    Raises:
        ValueError: The file states other bands than the model expects, or it states none and they cannot be assumed.
    """
    order, stored = spec.layout.bands, image.pixels.shape[2]
    if order and (stored == len(order) or image.format in ("tif", "array")):
        if stored != len(order):
            raise ValueError(
                f"has {stored} bands, but {len(order)} are stated ({', '.join(order)}); name each band of the file in "
                "--bands, in its order."
            )
        _refuse_other_bands(order, spec)
        return replace(image, bands=order), ()

    image = _without_alpha(image)
    count = image.pixels.shape[2]
    if image.bands == ("grey",):
        grey: NDArray[Any] = image.pixels
        image = replace(image, pixels=np.repeat(grey, len(RGB), axis=2), bands=RGB)
    if any(image.bands):
        _refuse_other_bands(image.bands, spec)
        return image, ()

    names = ASSUMED_BANDS.get((count, str(image.pixels.dtype)), spec.bands if count == len(spec.bands) else ())
    if not set(spec.bands) <= set(names):
        raise ValueError(
            f"has {count} bands of {image.pixels.dtype}, but the model expects {spec.dtype} {', '.join(spec.bands)}; "
            "pass 3-band 8-bit chips, or 4-band 16-bit ones in the order blue, green, red, near infrared, or name the "
            "file's bands by --bands."
        )
    return replace(image, bands=names), (Remark(f"{len(names)} bands taken as {', '.join(names)}"),)


def _without_alpha(image: StoredImage) -> StoredImage:
    """Return the image without the band that the file calls alpha, whose zeros become invalid pixels.

    The competition's TIFs call blue, green, red, near infrared "red, green, blue, alpha". Such a fourth band is no
    alpha, since it is rarely 0 or at its maximum; then nothing that the file says of its bands is believed.

    Raises:
        ValueError: The band of an 8-bit file is no alpha.
    """
    if image.bands.count("alpha") != 1:
        return image
    place = image.bands.index("alpha")
    alpha = image.pixels[..., place]
    if np.mean((alpha == 0) | (alpha == alpha.max())) < MIN_EXTREME_SHARE:
        if image.pixels.dtype == np.uint16 and image.bands == (*RGB, "alpha"):
            return replace(image, bands=("",) * len(image.bands))
        raise ValueError(
            "states that a band is alpha, but it is neither transparent nor opaque in most pixels; name the bands by "
            "--bands, in the file's order."
        )
    valid = alpha > 0 if image.valid is None else image.valid & (alpha > 0)
    rest = [band for band in range(len(image.bands)) if band != place]
    names = tuple(image.bands[band] for band in rest)
    return replace(image, pixels=image.pixels[..., rest].copy(), bands=names, valid=valid)


def _refuse_other_bands(stated: tuple[str, ...], spec: ChipSpec) -> None:
    """Raise ValueError unless each band of the spec is stated once."""
    for name in spec.bands:
        if stated.count(name) != 1:
            problem = f"no {name}" if name not in stated else f"{stated.count(name)} bands named {name}"
            raise ValueError(
                f"states the bands {', '.join(band or 'unnamed' for band in stated)}, so {problem}, but the model "
                f"expects {', '.join(spec.bands)}; pass chips with these bands, or name the file's bands by --bands."
            )

"""Judge how much of an image holds data: by what its file declares, and by pixels that all have one value."""

import numpy as np

from features.arrays import Chip
from features.images.remarks import Remark
from features.images.stored import StoredImage

MAX_EMPTY_SHARE = 0.5  # of the pixels; more, or as many, is worth a remark
# Of pixels that have one value other than black or white: calm water and saturated clouds reach 0.66 on real chips.
MAX_FLAT_SHARE = 0.9
SAMPLED_ROWS = 32  # of a chip; all pixels would take as long as decoding them


def judge(image: StoredImage) -> tuple[Remark, ...]:
    """Return a remark on an image that is mostly empty.

    Raises:
        ValueError: The whole image is declared as empty, or all its pixels have one value.
    """
    if image.valid is not None:
        empty = 1 - float(image.valid.mean())
        if empty == 1:
            raise ValueError("holds no data: all its pixels are nodata or transparent; leave it out.")
        if empty >= MAX_EMPTY_SHARE:
            return (Remark("half or more of the pixels are nodata or transparent", f"{empty:.0%}"),)

    value, share = _flat(image.pixels)
    if share == 1 and (image.pixels == value).all():
        raise ValueError(
            f"has the value {', '.join(map(str, value))} in all its pixels, so it shows nothing; leave it out."
        )
    is_extreme = (value == 0).all() or (value == np.iinfo(value.dtype).max).all()
    if share >= (MAX_EMPTY_SHARE if is_extreme else MAX_FLAT_SHARE):
        text = "half or more of the pixels are black or white, as where no data is" if is_extreme else "nearly flat"
        return (Remark(text, f"{share:.0%} have the value {', '.join(map(str, value))}"),)
    return ()


def _flat(pixels: Chip) -> tuple[Chip, float]:
    """Return the value (bands,) of a corner that the most pixels have, and its share of the sampled pixels."""
    step = max(1, min(pixels.shape[:2]) // SAMPLED_ROWS)
    sample = pixels[::step, ::step]
    corners = {pixels[row, column].tobytes(): pixels[row, column] for row in (0, -1) for column in (0, -1)}
    shares = {key: _share(sample, corner) for key, corner in corners.items()}
    key = max(shares, key=lambda key: shares[key])
    return corners[key], shares[key]


def _share(pixels: Chip, value: Chip) -> float:
    equal = pixels[..., 0] == value[0]
    for band in range(1, len(value)):  # a tenth of the time of all bands at once, since the last axis is short
        equal &= pixels[..., band] == value[band]
    return float(np.count_nonzero(equal) / equal.size)

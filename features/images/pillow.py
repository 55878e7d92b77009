"""Decode 8-bit pictures by Pillow: all PNGs of 8 bits, and the rare JPGs that simplejpeg does not read."""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from features.arrays import Rgb
from features.images.stored import ValidPixels


class Picture(NamedTuple):
    """Red, green and blue (H, W, 3), and which pixels are not wholly transparent, None for a picture without alpha."""

    pixels: Rgb
    valid: ValidPixels | None


def decode(content: bytes, kind: str) -> Picture:
    """Return the picture of a PNG or JPEG; pixels that are transparent keep their colour.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            image.load()
            valid = None
            if image.has_transparency_data:
                valid = np.array(image.convert("RGBA").getchannel("A")) > 0
            image.info.pop("transparency", None)  # or the conversion to RGB changes the colour of transparent pixels
            return Picture(np.array(image.convert("RGB")), valid)
    except MemoryError:
        raise
    except Exception as error:  # the bytes are in memory, so any error is about the bytes
        raise ValueError(f"is a damaged {kind} ({error}); save it again.") from error

"""Decode JPG files from bytes to red, green and blue; four components are read as the competition's files need it."""

import struct

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from features.arrays import Chip
from features.images import pillow
from features.images.stored import MAX_SIDE_PIXELS, Header, StoredImage, check_size

MAX_SCANS = 500  # as in libjpeg-turbo's fuzzers: a small file of many scans would take hours
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # with a size; ITU T.81, table B.1
MARKERS_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])


def read_header(content: bytes, max_side: int = MAX_SIDE_PIXELS) -> Header:
    """Return the header; raise ValueError if it is damaged or the JPG is of a kind that is not read."""
    frame = _frame(content)
    if frame is None or len(frame) < 6:
        raise ValueError("is a damaged JPG: no size in its header; save it again.")
    precision, height, width, components = struct.unpack(">BHHB", frame)
    if precision != 8:
        full = (1 << precision) - 1
        raise ValueError(
            f"is a JPG of {precision} bits a sample; 8 are expected: scale its levels from 0-{full} to 0-255 and save "
            "it as an 8-bit PNG."
        )
    header = check_size(Header("jpg", width, height, 3, "uint8"), max_side)
    if components not in (1, 3, 4):
        raise ValueError(f"is a JPG of {components} components; 1, 3 or 4 are expected, save it as an RGB JPG.")
    return header


def decode(content: bytes, max_side: int = MAX_SIDE_PIXELS) -> StoredImage:
    """Return the image; raise ValueError if it is damaged, or has a side of more than `max_side` pixels."""
    return StoredImage("jpg", _pixels(content, max_side))


def _frame(content: bytes) -> bytes | None:
    """Return precision, height, width and component count of the first frame, as the file stores them."""
    place = 2
    while True:
        place = content.find(b"\xff", place) + 1
        if place == 0 or place >= len(content):
            return None
        marker = content[place]
        if marker in FRAME_MARKERS:
            return content[place + 3 : place + 9]
        if marker in (0xD9, 0xDA):  # the end, or pixels without a frame
            return None
        if marker not in (0x00, 0xFF) and marker not in MARKERS_WITHOUT_LENGTH:
            place += max(2, int.from_bytes(content[place + 1 : place + 3], "big"))


def _pixels(content: bytes, max_side: int) -> Chip:
    header = read_header(content, max_side)
    if content.count(b"\xff\xda") > MAX_SCANS:
        raise ValueError(f"is a JPG of over {MAX_SCANS} scans; save it as a baseline JPG.")

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:  # a rare subsampling that simplejpeg has no name for
        return pillow.decode(content, "JPEG").pixels
    if (height, width) != (header.height, header.width):
        raise ValueError("is a damaged JPG: it states two sizes; save it again.")

    has_four_components = space in ("CMYK", "YCCK")
    try:
        decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            content, "CMYK" if has_four_components else "RGB", strict=True
        )
    except ValueError as error:
        raise ValueError(f"is a damaged JPG ({error}); save it again.") from error

    if not has_four_components:
        return decoded
    if (decoded[..., 3] == 255).all():  # no black ink: the competition's files, which had an alpha band
        return np.stack([decoded[..., band] for band in range(3)], axis=2)  # 2.5 times as fast as copying [..., :3]
    return pillow.decode(content, "JPEG").pixels

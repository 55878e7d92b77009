"""Decode JPG, PNG and GeoTIFF files from bytes to images; the format is recognised by content.

The header is read first, and nothing is decoded before its size has been checked. Damaged files are refused, never
repaired. Every function raises ValueError with a message that is to be put after a file's name.
"""

from typing import Protocol

from features.arrays import Chip
from features.images import jpg, png, tif
from features.images.stored import Header, StoredImage


class Decoder(Protocol):
    """What `jpg`, `png` and `tif` are."""

    def read_header(self, content: bytes) -> Header:
        """Return the header of a file."""

    def decode(self, content: bytes) -> StoredImage:
        """Return the image of a file."""


FORMATS: dict[bytes, Decoder] = {  # by the first bytes
    b"\xff\xd8\xff": jpg,
    b"\x89PNG\r\n\x1a\n": png,
    b"II*\0": tif,
    b"MM\0*": tif,
    b"II+\0": tif,  # BigTIFF
    b"MM\0+": tif,
}
OTHER_FORMATS = {  # by bytes at a position
    (8, b"WEBP"): "WebP",
    (4, b"jP  \r\n"): "JPEG 2000",
    (0, b"\xff\x4f\xff\x51"): "JPEG 2000",
    (4, b"ftypavif"): "AVIF",
    (4, b"ftypheic"): "HEIC",
    (4, b"ftypmif1"): "HEIC",
    (0, b"\xff\x0a"): "JPEG XL",
    (4, b"JXL "): "JPEG XL",
    (0, b"GIF8"): "GIF",
    (0, b"BM"): "BMP",
    (0, b"\x89HDF"): "HDF5 or NetCDF",
    (0, b"CDF"): "NetCDF",
    (0, b"\x93NUMPY"): "NumPy array",
    (0, b"8BPS"): "Photoshop",
    (0, b"%PDF"): "PDF",
    (0, b"PK\x03\x04"): "zip archive",
    (0, b"\x1f\x8b"): "gzip",
    (0, b"version https://git-lfs"): "pointer of Git LFS",
    (0, b"<"): "XML or HTML",
}


def header(content: bytes) -> Header:
    """Return the header of an image that `image` accepts as far as its header shows.

    Raises:
        ValueError: The bytes are not an image, its header is damaged, it is larger than 4096 x 4096 x 16, or its
            values are of none of uint8, uint16 and float32.
    """
    return FORMATS[_first_bytes(content)].read_header(content)


def image(content: bytes) -> StoredImage:
    """Decode an image; JPG and PNG always give red, green and blue.

    Raises:
        ValueError: Like `header`, or the image is truncated or damaged.
    """
    return FORMATS[_first_bytes(content)].decode(content)


def pixels(content: bytes) -> Chip:
    """Decode the pixels of an image, (H, W, bands); raises like `image`."""
    return image(content).pixels


def _first_bytes(content: bytes) -> bytes:
    """Return the key of `FORMATS` that a file begins with."""
    if not content:
        raise ValueError("is empty; expected a JPG, PNG or GeoTIFF.")
    for start in FORMATS:
        if content.startswith(start):
            return start
    for (place, mark), name in OTHER_FORMATS.items():
        if content[place:].startswith(mark):
            raise ValueError(f"is of the format {name}; expected a JPG, PNG or GeoTIFF: convert it.")
    raise ValueError(f"is not an image (starts with {content[:12]!r}); expected a JPG, PNG or GeoTIFF.")

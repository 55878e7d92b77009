"""Decode PNG files from bytes to red, green and blue of 8 or 16 bits, with their transparency."""

import struct
import zlib

from features.images import pillow, raster
from features.images.stored import Header, StoredImage, check_size

GREY_TYPES = (0, 4)  # colour types of the header: grey, and grey with alpha


def read_header(content: bytes) -> Header:
    """Return the header; raise ValueError if it is damaged."""
    if len(content) < 33 or content[12:16] != b"IHDR":  # 33: the signature and the first chunk
        raise ValueError("is a damaged PNG: no size in its header; save it again.")
    width, height, depth = struct.unpack(">IIB", content[16:25])
    return check_size(Header("png", width, height, 3, "uint16" if depth == 16 else "uint8"))


def decode(content: bytes) -> StoredImage:
    """Return the image; raise ValueError if it is damaged."""
    header = read_header(content)
    bits = _significant_bits(content)
    if header.dtype == "uint8":
        picture = pillow.decode(content, "PNG")
        return StoredImage("png", picture.pixels, valid=picture.valid)

    with raster.open_raster(content, "PNG") as dataset:  # Pillow halves 16-bit colour to 8 bits
        raster.read_header(dataset, "png")
        decoded = raster.bands_last(dataset)
        valid = raster.valid_pixels(dataset, decoded)
    count = decoded.shape[2]
    if count in (2, 4):  # grey or colour, and alpha
        valid = decoded[..., -1] > 0
    colours = decoded[..., [0, 1, 2] if count >= 3 else [0, 0, 0]].copy()
    return StoredImage("png", colours, valid=valid, bits=bits)


def _significant_bits(content: bytes) -> int | None:
    """Return the largest number of the chunk sBIT, None without one, once all chunks are found to be undamaged.

    Every chunk's length and checksum is checked, for Pillow decodes pixels without checking theirs. Pillow's
    `Image.verify` is no substitute: version 13.0 checks all chunks before the end chunk, but accepts an end chunk with
    a wrong length or checksum, and a file without its last four bytes.
    """
    place, kind, bits = 8, b"", None
    while kind != b"IEND":
        if place + 12 > len(content):
            raise ValueError(f"is a truncated PNG ({len(content)} bytes, no end chunk); save it again.")
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        checksum = content[place + 8 + length : place + 12 + length]
        if zlib.crc32(memoryview(content)[place + 4 : place + 8 + length]) != int.from_bytes(checksum, "big"):
            raise ValueError(f"is a damaged PNG (checksum of chunk {kind!r} at byte {place}); save it again.")
        if kind == b"sBIT" and length:
            colours = 1 if content[25] in GREY_TYPES else 3  # alpha's number is behind
            bits = max(content[place + 8 : place + 8 + min(length, colours)])
        place += 12 + length
    return bits

"""Decode JPG, PNG and GeoTIFF files from bytes to pixels; the format is recognised by content.

The header is read first, and nothing is decoded before its size has been checked. Damaged files are refused, never
repaired. Every function raises ValueError with a message that is to be put after a file's name.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
import rasterio.errors
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from rasterio.io import MemoryFile

from features.arrays import Chip

MAX_SIDE_PIXELS = 4096  # with MAX_BANDS at most 512 MiB of uint16
MAX_BANDS = 16
MAX_JPG_SCANS = 500  # as in libjpeg-turbo's fuzzers: a small file of many scans would take hours

FORMATS = {  # by the first bytes
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"II*\0": "tif",
    b"MM\0*": "tif",
    b"II+\0": "tif",  # BigTIFF
    b"MM\0+": "tif",
}
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of JPG, with a size; ITU T.81, table B.1
MARKERS_WITHOUT_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])  # of JPG
WORLD_FILE = b"1\n0\n0\n-1\n0\n0\n"  # put beside a chip in memory: rasterio warns at each chip without a position


@dataclass(frozen=True)
class Header:
    """What decoding gives.

    Attributes:
        format: jpg, png or tif.
        width: In pixels.
        height: In pixels.
        bands: Always 3 for jpg and png.
        dtype: uint8 or uint16.
    """

    format: str
    width: int
    height: int
    bands: int
    dtype: str


def header(content: bytes) -> Header:
    """Return the header of an image that `pixels` accepts as far as its header shows.

    Raises:
        ValueError: The bytes are not an image, its header is damaged, it is larger than 4096 x 4096 x 16, or its
            values are neither uint8 nor uint16.
    """
    match _format(content):
        case "jpg":
            return _jpg_header(content)
        case "png":
            return _png_header(content)
        case _:
            with _open_raster(content, "GTiff") as raster:
                return _raster_header(raster, "tif")


def pixels(content: bytes) -> Chip:
    """Decode an image to (H, W, bands); JPG and PNG always give three bands.

    Raises:
        ValueError: Like `header`, or the image is truncated or damaged.
    """
    match _format(content):
        case "jpg":
            return _decode_jpg(content)
        case "png":
            return _decode_png(content)
        case _:
            with _open_raster(content, "GTiff") as raster:
                _raster_header(raster, "tif")
                return _bands_last(raster)


def _format(content: bytes) -> str:
    if not content:
        raise ValueError("is empty; expected a JPG, PNG or GeoTIFF.")
    for start, name in FORMATS.items():
        if content.startswith(start):
            return name
    raise ValueError(f"is not an image (starts with {content[:12]!r}); expected a JPG, PNG or GeoTIFF.")


def _check_size(header: Header) -> Header:
    """Return the header if the image is small enough to be decoded."""
    sides_fit = 0 < header.width <= MAX_SIDE_PIXELS and 0 < header.height <= MAX_SIDE_PIXELS
    if not (sides_fit and 0 < header.bands <= MAX_BANDS):
        raise ValueError(
            f"is {header.width} x {header.height} pixels with {header.bands} bands; "
            f"at most {MAX_SIDE_PIXELS} x {MAX_SIDE_PIXELS} x {MAX_BANDS} is read, split it into chips first."
        )
    return header


def _jpg_header(content: bytes) -> Header:
    frame = _jpg_frame(content)
    if frame is None or len(frame) < 6:
        raise ValueError("is a damaged JPG: no size in its header; save it again.")
    precision, height, width, components = struct.unpack(">BHHB", frame)
    if precision != 8:
        raise ValueError(f"is a JPG of {precision} bits a sample; 8 are expected, save it as a 16-bit PNG instead.")
    header = _check_size(Header("jpg", width, height, 3, "uint8"))
    if components not in (1, 3, 4):
        raise ValueError(f"is a JPG of {components} components; 1, 3 or 4 are expected, save it as an RGB JPG.")
    return header


def _jpg_frame(content: bytes) -> bytes | None:
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


def _decode_jpg(content: bytes) -> Chip:
    header = _jpg_header(content)
    if content.count(b"\xff\xda") > MAX_JPG_SCANS:
        raise ValueError(f"is a JPG of over {MAX_JPG_SCANS} scans; save it as a baseline JPG.")

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:  # a rare subsampling that simplejpeg has no name for
        return _decode_by_pillow(content, "JPEG")
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
    return _decode_by_pillow(content, "JPEG")


def _png_header(content: bytes) -> Header:
    if len(content) < 33 or content[12:16] != b"IHDR":  # 33: the signature and the first chunk
        raise ValueError("is a damaged PNG: no size in its header; save it again.")
    width, height, depth = struct.unpack(">IIB", content[16:25])
    return _check_size(Header("png", width, height, 3, "uint16" if depth == 16 else "uint8"))


def _decode_png(content: bytes) -> Chip:
    header = _png_header(content)
    _refuse_damaged_chunks(content)
    if header.dtype == "uint8":
        return _decode_by_pillow(content, "PNG")
    with _open_raster(content, "PNG") as raster:  # Pillow halves 16-bit colour to 8 bits
        _raster_header(raster, "png")
        decoded = _bands_last(raster)
    is_coloured = decoded.shape[2] >= 3  # else grey, or grey and alpha
    return decoded[..., [0, 1, 2] if is_coloured else [0, 0, 0]].copy()


def _refuse_damaged_chunks(content: bytes) -> None:
    """Check every chunk's length and checksum, for Pillow decodes pixels without checking theirs.

    Pillow's `Image.verify` is no substitute: version 13.0 checks all chunks before the end chunk, but accepts an end
    chunk with a wrong length or checksum, and a file without its last four bytes.
    """
    place, kind = 8, b""
    while kind != b"IEND":
        if place + 12 > len(content):
            raise ValueError(f"is a truncated PNG ({len(content)} bytes, no end chunk); save it again.")
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        checksum = content[place + 8 + length : place + 12 + length]
        if zlib.crc32(memoryview(content)[place + 4 : place + 8 + length]) != int.from_bytes(checksum, "big"):
            raise ValueError(f"is a damaged PNG (checksum of chunk {kind!r} at byte {place}); save it again.")
        place += 12 + length


def _decode_by_pillow(content: bytes, kind: str) -> Chip:
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            image.load()
            image.info.pop("transparency", None)  # keep the colour of pixels that are marked as transparent
            return np.array(image.convert("RGB"))
    except MemoryError:
        raise
    except Exception as error:  # the bytes are in memory, so any error is about the bytes
        raise ValueError(f"is a damaged {kind} ({error}); save it again.") from error


@contextmanager
def _open_raster(content: bytes, driver: str) -> Iterator[Any]:
    """Open bytes in memory as a rasterio dataset, with one driver and without access to any other file."""
    format_name = "TIF" if driver == "GTiff" else driver
    with (
        MemoryFile(content, filename="chip") as file,
        MemoryFile(WORLD_FILE, dirname=file.name.split("/")[2], filename="chip.wld"),
    ):
        try:
            with file.open(driver=driver, sharing=False) as raster:
                yield raster
        except rasterio.errors.RasterioError as error:
            reason = str(error.__cause__ or error).replace(file.name, "chip")  # the name in memory differs in each run
            raise ValueError(f"is a damaged {format_name} ({reason}); save it again.") from error


def _raster_header(raster: Any, kind: str) -> Header:
    types = sorted(set(raster.dtypes))
    if len(types) != 1 or types[0] not in ("uint8", "uint16"):
        raise ValueError(f"is of {', '.join(types)}; uint8 or uint16 is expected, convert it first.")
    header = _check_size(Header(kind, raster.width, raster.height, raster.count, raster.dtypes[0]))
    height, width = max(raster.block_shapes, key=lambda block: block[0] * block[1])
    if height * width > MAX_SIDE_PIXELS**2:
        raise ValueError(
            f"is stored in tiles of {width} x {height}; at most {MAX_SIDE_PIXELS} x {MAX_SIDE_PIXELS} is read, "
            "save it with smaller tiles."
        )
    return header


def _bands_last(raster: Any) -> Chip:
    decoded: Chip = np.moveaxis(raster.read(), 0, 2).copy()
    return decoded

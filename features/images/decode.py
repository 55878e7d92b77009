"""Bytes to pixels: JPG, PNG and GeoTIFF, told apart by content.

Nothing is decoded before the header has been read and its size allowed. What is damaged is refused, never repaired.
Everything here raises ValueError with a message that goes after a file's name.
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

Pixels = NDArray[np.uint8] | NDArray[np.uint16]  # (H, W, C)

SIDE = 4096  # pixels; with BANDS at most 512 MiB of uint16
BANDS = 16
SCANS = 500  # of one JPG, as in libjpeg-turbo's fuzzers: a small file of many scans would take hours

MAGIC = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"II*\0": "tif",
    b"MM\0*": "tif",
    b"II+\0": "tif",  # BigTIFF
    b"MM\0+": "tif",
}
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPG markers that carry a size; ITU T.81, table B.1
BARE = frozenset([0x01, *range(0xD0, 0xD9)])  # JPG markers without a length
WORLD = b"1\n0\n0\n-1\n0\n0\n"  # beside a chip in memory: chips have no place, and rasterio would warn at each


@dataclass(frozen=True)
class Header:
    """What decoding gives: format is jpg, png or tif, dtype uint8 or uint16 (others in a tif are refused)."""

    format: str
    width: int
    height: int
    bands: int
    dtype: str


def header(content: bytes) -> Header:
    """The header of an image that may be decoded.

    Raises:
        ValueError: it is no image, is larger than 4096 x 4096 x 16, or its header is damaged.
    """
    match _format(content):
        case "jpg":
            return _jpg_header(content)
        case "png":
            return _png_header(content)
        case _:
            with _raster(content, "GTiff") as raster:
                return _raster_header(raster, "tif")


def pixels(content: bytes) -> Pixels:
    """The image, (H, W, C); JPG and PNG always in three bands.

    Raises:
        ValueError: it is no image, too large, truncated or damaged.
    """
    match _format(content):
        case "jpg":
            return _jpg(content)
        case "png":
            return _png(content)
        case _:
            with _raster(content, "GTiff") as raster:
                _raster_header(raster, "tif")
                return _bands_last(raster)


def _format(content: bytes) -> str:
    if not content:
        raise ValueError("is empty; a JPG, PNG or GeoTIFF is needed.")
    for start, name in MAGIC.items():
        if content.startswith(start):
            return name
    raise ValueError(f"is not an image (starts with {content[:12]!r}); a JPG, PNG or GeoTIFF is needed.")


def _allowed(head: Header) -> Header:
    if not (0 < head.width <= SIDE and 0 < head.height <= SIDE and 0 < head.bands <= BANDS):
        raise ValueError(
            f"is {head.width} x {head.height} pixels with {head.bands} bands; "
            f"at most {SIDE} x {SIDE} x {BANDS} is read, cut it into chips first."
        )
    return head


def _jpg_header(content: bytes) -> Header:
    frame = _jpg_frame(content)
    if frame is None or len(frame) < 6:
        raise ValueError("is a damaged JPG: no size in its header; make it anew.")
    precision, height, width, components = struct.unpack(">BHHB", frame)
    if precision != 8:
        raise ValueError(f"is a JPG of {precision} bits a sample; 8 are needed, save it as a 16-bit PNG instead.")
    head = _allowed(Header("jpg", width, height, 3, "uint8"))
    if components not in (1, 3, 4):
        raise ValueError(f"is a JPG of {components} components; 1, 3 or 4 are needed.")
    return head


def _jpg_frame(content: bytes) -> bytes | None:
    """Precision, height, width and component count of the first frame, as they stand in the file."""
    place = 2
    while True:
        place = content.find(b"\xff", place) + 1
        if place == 0 or place >= len(content):
            return None
        marker = content[place]
        if marker in FRAMES:
            return content[place + 3 : place + 9]
        if marker in (0xD9, 0xDA):  # the end, or pixels without a frame
            return None
        if marker not in (0x00, 0xFF) and marker not in BARE:
            place += max(2, int.from_bytes(content[place + 1 : place + 3], "big"))


def _jpg(content: bytes) -> Pixels:
    head = _jpg_header(content)
    if content.count(b"\xff\xda") > SCANS:
        raise ValueError(f"is a JPG of over {SCANS} scans; save it as a baseline JPG.")
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:  # a rare subsampling that simplejpeg has no name for
        return _pillow(content, "JPEG")
    if (height, width) != (head.height, head.width):
        raise ValueError("is a damaged JPG: it states two sizes; make it anew.")
    four = space in ("CMYK", "YCCK")
    try:
        decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "CMYK" if four else "RGB", strict=True)
    except ValueError as error:
        raise ValueError(f"is a damaged JPG ({error}); make it anew.") from error
    if not four:
        return decoded
    if (decoded[..., 3] == 255).all():  # no black ink: the competition's, whose fourth component was an alpha band
        return np.stack([decoded[..., band] for band in range(3)], axis=2)  # 2.5 times as fast as copying [..., :3]
    return _pillow(content, "JPEG")


def _png_header(content: bytes) -> Header:
    if len(content) < 33 or content[12:16] != b"IHDR":  # 33: the signature and the first chunk
        raise ValueError("is a damaged PNG: no size in its header; make it anew.")
    width, height, depth = struct.unpack(">IIB", content[16:25])
    return _allowed(Header("png", width, height, 3, "uint16" if depth == 16 else "uint8"))


def _png(content: bytes) -> Pixels:
    head = _png_header(content)
    _refuse_damaged_chunks(content)
    if head.dtype == "uint8":
        return _pillow(content, "PNG")
    with _raster(content, "PNG") as raster:  # Pillow halves 16-bit colour to 8 bits
        _raster_header(raster, "png")
        decoded = _bands_last(raster)
    coloured = decoded.shape[2] >= 3  # else grey, grey and alpha
    return decoded[..., [0, 1, 2] if coloured else [0, 0, 0]].copy()


def _refuse_damaged_chunks(content: bytes) -> None:
    """Checks every chunk's length and checksum; Pillow leaves those of the pixels unread."""
    place, kind = 8, b""
    while kind != b"IEND":
        if place + 12 > len(content):
            raise ValueError(f"is a truncated PNG ({len(content)} bytes, no end chunk); make it anew.")
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        stated = content[place + 8 + length : place + 12 + length]
        if zlib.crc32(memoryview(content)[place + 4 : place + 8 + length]) != int.from_bytes(stated, "big"):
            raise ValueError(f"is a damaged PNG (checksum of chunk {kind!r} at byte {place}); make it anew.")
        place += 12 + length


def _pillow(content: bytes, kind: str) -> Pixels:
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            image.load()
            image.info.pop("transparency", None)  # a see-through colour is a colour
            return np.array(image.convert("RGB"))
    except MemoryError:
        raise
    except Exception as error:  # from bytes in memory, whatever it raises is about the bytes
        raise ValueError(f"is a damaged {kind} ({error}); make it anew.") from error


@contextmanager
def _raster(content: bytes, driver: str) -> Iterator[Any]:
    """A rasterio dataset of bytes in memory, by one driver and out of reach of any other file."""
    name = "TIF" if driver == "GTiff" else driver
    with (
        MemoryFile(content, filename="chip") as file,
        MemoryFile(WORLD, dirname=file.name.split("/")[2], filename="chip.wld"),
    ):
        try:
            with file.open(driver=driver, sharing=False) as raster:
                yield raster
        except rasterio.errors.RasterioError as error:
            reason = str(error.__cause__ or error).replace(file.name, "chip")  # else another one at each run
            raise ValueError(f"is a damaged {name} ({reason}); make it anew.") from error


def _raster_header(raster: Any, kind: str) -> Header:
    if len(set(raster.dtypes)) != 1 or raster.dtypes[0] not in ("uint8", "uint16"):
        raise ValueError(f"is of {', '.join(sorted(set(raster.dtypes)))}; uint8 or uint16 is needed, convert it first.")
    head = _allowed(Header(kind, raster.width, raster.height, raster.count, raster.dtypes[0]))
    height, width = max(raster.block_shapes, key=lambda block: block[0] * block[1])
    if height * width > SIDE * SIDE:
        raise ValueError(f"is stored in tiles of {width} x {height}; at most {SIDE} x {SIDE} is read, save it anew.")
    return head


def _bands_last(raster: Any) -> Pixels:
    decoded: Pixels = np.moveaxis(raster.read(), 0, 2).copy()
    return decoded

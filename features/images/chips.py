"""Load chips: read an image file and give it the bands, the integer type and the size that a network expects.

A chip is (H, W, bands). Three bands are red, green, blue; four bands of 16 bits are blue, green, red, near infrared.
"""

import stat
from dataclasses import dataclass

import numpy as np
from PIL import Image

from features.arrays import Chip
from features.images import decode, sensor_colours
from features.images.archives import ArchivedFile
from features.images.decode import Header
from features.images.listing import ChipPath

# Every pixel uncompressed, and a MiB for metadata.
MAX_FILE_BYTES = 2 * decode.MAX_SIDE_PIXELS**2 * decode.MAX_BANDS + (1 << 20)
RGB = ("red", "green", "blue")
THREE_BYTES = np.dtype("V3")  # a pixel moved as one item; numpy is slow along an axis of three
# Files do not name their bands, so their count and type must tell. Four of uint8 are not listed: they may hold alpha.
NAMED_BANDS = {
    (3, "uint8"): RGB,
    (3, "uint16"): RGB,
    (4, "uint16"): sensor_colours.BANDS,
}


class ChipError(ValueError):
    """A chip cannot be used; the message starts with its path."""


@dataclass(frozen=True)
class ChipSpec:
    """The chips that a network expects: bands in order, their integer type, and the side in pixels."""

    bands: tuple[str, ...] = RGB
    dtype: str = "uint8"
    side: int = 256


def header(path: ChipPath) -> Header:
    """Return a file's format, size, bands and type, read from its content.

    Raises:
        ChipError: The file is not a JPG, PNG or TIF, or it is damaged, or larger than 4096 x 4096 x 16.
        OSError: The file cannot be read.
    """
    content = bytes_of(path)
    try:
        return decode.header(content)
    except ValueError as error:
        raise ChipError(f"{path} {error}") from error


def read(path: ChipPath) -> Chip:
    """Return the chip as it is stored, (H, W, bands); raises like `header`."""
    content = bytes_of(path)
    try:
        return decode.pixels(content)
    except ValueError as error:
        raise ChipError(f"{path} {error}") from error


def load(path: ChipPath, spec: ChipSpec) -> Chip:
    """Return the chip as a network expects it, (side, side, bands) of the spec's type.

    For an 8-bit network a 16-bit PNG, which uses its whole range by definition, is divided by 257.

    Raises:
        ChipError: Like `header`, or the chip's bands or type are not the spec's.
        OSError: The file cannot be read.
    """
    chip = read(path)
    if chip.dtype == np.uint16 and spec.dtype == "uint8" and chip.shape[2] == 3 and header(path).format == "png":
        chip = np.rint(chip / 257).astype(np.uint8)  # 65535 / 257 = 255
    return resize(conform(chip, spec, path), spec.side)


def conform(chip: Chip, spec: ChipSpec, path: ChipPath) -> Chip:
    """Return the chip with the spec's bands and type; it is not resized.

    For an 8-bit RGB spec, a 4-band uint16 chip is converted to visible colours.

    Raises:
        ChipError: The chip's bands or type are not the spec's. Three bands of a 16-bit TIF are refused for an 8-bit
            spec, because the scale of the sensor is unknown.
    """
    count = chip.shape[2]
    bands = NAMED_BANDS.get((count, str(chip.dtype)), spec.bands if count == len(spec.bands) else ())

    if spec.dtype == "uint8" and bands == sensor_colours.BANDS and set(spec.bands) <= set(RGB):
        chip, bands = sensor_colours.colours(chip), RGB

    if not set(spec.bands) <= set(bands) or chip.dtype != spec.dtype:
        raise ChipError(
            f"{path} has {count} bands of {chip.dtype}, but the model expects {spec.dtype} {', '.join(spec.bands)}; "
            "pass 3-band 8-bit chips, or 4-band 16-bit ones in the order blue, green, red, near infrared."
        )

    if spec.bands == bands:
        return chip
    selected: Chip = chip[..., [bands.index(name) for name in spec.bands]].copy()
    return selected


def resize(chip: Chip, side: int) -> Chip:
    """Return the chip at (side, side, bands); a chip of that size is returned itself.

    The filter is bilinear, and antialiased: a new pixel depends on all old pixels that it covers.
    """
    if chip.shape[:2] == (side, side):
        return chip

    size = (side, side)
    if chip.dtype == np.uint8 and chip.shape[2] == 3:
        if chip.shape[0] == chip.shape[1] == side / 2:
            return _double(chip)
        return np.array(Image.fromarray(chip).resize(size, Image.Resampling.BILINEAR), np.uint8)

    bands = [Image.fromarray(chip[..., band].astype(np.float32)) for band in range(chip.shape[2])]
    resized = np.stack([np.asarray(band.resize(size, Image.Resampling.BILINEAR)) for band in bands], axis=-1)
    rounded: Chip = np.rint(resized).astype(chip.dtype)
    return rounded


def _double(chip: Chip) -> Chip:
    """Return an RGB chip at twice its side, equal to Pillow's bilinear filter but faster.

    A new pixel is three quarters of the old pixel that it lies in and a quarter of that one's neighbour on its side.
    It is rounded after each direction.
    """
    lines = np.ascontiguousarray(chip).view(THREE_BYTES)[..., 0]
    for _ in range(2):  # columns, then rows
        lines = lines.T.copy()
        old = lines.view(np.uint8)
        wide = old.astype(np.uint16)
        near = 3 * wide + 2
        new = np.empty((len(old), 2, old.shape[1]), np.uint8)
        new[0, 0], new[-1, 1] = old[0], old[-1]
        np.right_shift(near[1:] + wide[:-1], 2, out=new[1:, 0], casting="unsafe")
        np.right_shift(near[:-1] + wide[1:], 2, out=new[:-1, 1], casting="unsafe")
        lines = new.reshape(2 * len(old), -1).view(THREE_BYTES)
    doubled: Chip = lines.view(np.uint8).reshape(*lines.shape, 3)
    return doubled


def bytes_of(path: ChipPath) -> bytes:
    """Return the file's content.

    Raises:
        ChipError: It is not a regular file, is larger than a chip can be, or is damaged in its archive.
        OSError: The file cannot be read.
    """
    if isinstance(path, ArchivedFile):
        try:
            return path.archive.read(path.position, MAX_FILE_BYTES)
        except ValueError as error:
            raise ChipError(f"{path} {error}") from error

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe may wait for ever, and a device may have no end
            raise ChipError(f"{path} is not a regular file; expected a JPG, PNG or GeoTIFF.")
        if status.st_size > MAX_FILE_BYTES:
            raise ChipError(
                f"{path} has {status.st_size:,} bytes; a chip has at most {MAX_FILE_BYTES:,}, "
                "split it into chips first."
            )
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        named = type(error)(f"{path} cannot be read: {reason}; check its permissions and its disk, or leave it out.")
        named.errno = error.errno
        raise named from error

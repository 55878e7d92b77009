"""A chip: an image file made into (H, W, C) of the bands and the integer type that a network eats.

A 3-band chip is red, green, blue; a 4-band one blue, green, red, near infrared.
"""

import stat
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from features.images import decode, sensor_colours
from features.images.archives import ArchivedFile
from features.images.decode import Header
from features.images.listing import ChipPath

Chip = NDArray[np.uint8] | NDArray[np.uint16]  # (H, W, C)

FILE = 2 * decode.SIDE**2 * decode.BANDS + (1 << 20)  # bytes: every pixel uncompressed, and room for tags
RGB = ("red", "green", "blue")
PIXEL = np.dtype("V3")  # three bytes moved as one; numpy is slow along so short an axis
OWN_BANDS = {  # what bands are taken to be, by count and type, for files do not say; 4 of uint8 may hold alpha
    (3, "uint8"): RGB,
    (3, "uint16"): RGB,
    (4, "uint16"): sensor_colours.BANDS,
}


class ChipError(ValueError):
    """A chip that cannot be used; the message starts with its path."""


@dataclass(frozen=True)
class ChipSpec:
    """What a network eats: bands in order, their integer type, and the side in pixels."""

    bands: tuple[str, ...] = RGB
    dtype: str = "uint8"
    side: int = 256


def header(path: ChipPath) -> Header:
    """What the file holds, by its content.

    Raises:
        ChipError: no JPG, PNG or TIF, damaged, or larger than 4096 x 4096 x 16.
        OSError: the file cannot be read.
    """
    content = bytes_of(path)
    try:
        return decode.header(content)
    except ValueError as error:
        raise ChipError(f"{path} {error}") from error


def read(path: ChipPath) -> Chip:
    """The chip as it is stored, (H, W, C); raises like `header`."""
    content = bytes_of(path)
    try:
        return decode.pixels(content)
    except ValueError as error:
        raise ChipError(f"{path} {error}") from error


def load(path: ChipPath, spec: ChipSpec) -> Chip:
    """The chip as a network eats it: (side, side, bands) of the spec's type; raises like `header`.

    A 16-bit PNG, which uses the whole range by definition, is divided by 257 for a network of 8 bits.
    """
    chip = read(path)
    if chip.dtype == np.uint16 and spec.dtype == "uint8" and chip.shape[2] == 3 and header(path).format == "png":
        chip = np.rint(chip / 257).astype(np.uint8)  # 65535 / 257 = 255
    return resize(conform(chip, spec, path), spec.side)


def conform(chip: Chip, spec: ChipSpec, path: ChipPath) -> Chip:
    """The chip with the spec's bands and type.

    Given to an 8-bit RGB spec, a 4-band uint16 chip becomes the visual product.

    Raises:
        ChipError: the chip's bands or type are not the spec's; nobody knows how to scale a sensor's 3 bands.
    """
    count = chip.shape[2]
    bands = OWN_BANDS.get((count, str(chip.dtype)), spec.bands if count == len(spec.bands) else ())
    if spec.dtype == "uint8" and bands == sensor_colours.BANDS and set(spec.bands) <= set(RGB):
        chip, bands = sensor_colours.colours(chip), RGB
    if not set(spec.bands) <= set(bands) or chip.dtype != spec.dtype:
        raise ChipError(
            f"{path} has {count} bands of {chip.dtype}, but the model reads {spec.dtype} {', '.join(spec.bands)}; "
            "give it 3-band 8-bit chips, or 4-band 16-bit ones in the order blue, green, red, near infrared."
        )
    if spec.bands == bands:
        return chip
    chosen: Chip = chip[..., [bands.index(name) for name in spec.bands]].copy()
    return chosen


def resize(chip: Chip, side: int) -> Chip:
    """The chip at (side, side, C), bilinear over all pixels that a new one covers; itself if it is so already."""
    if chip.shape[:2] == (side, side):
        return chip
    size = (side, side)
    if chip.dtype == np.uint8 and chip.shape[2] == 3:
        if chip.shape[0] == chip.shape[1] == side / 2:
            return _doubled(chip)
        return np.array(Image.fromarray(chip).resize(size, Image.Resampling.BILINEAR), np.uint8)
    planes = [Image.fromarray(chip[..., band].astype(np.float32)) for band in range(chip.shape[2])]
    resized = np.stack([np.asarray(plane.resize(size, Image.Resampling.BILINEAR)) for plane in planes], axis=-1)
    rounded: Chip = np.rint(resized).astype(chip.dtype)
    return rounded


def _doubled(chip: Chip) -> Chip:
    """An RGB chip at twice its side, as Pillow's bilinear filter makes it to the bit, but sooner.

    A new pixel is three quarters of the old one that it lies in and a quarter of the next one on its side, rounded in
    each direction by itself.
    """
    lines = np.ascontiguousarray(chip).view(PIXEL)[..., 0]
    for _ in range(2):  # columns, then rows
        lines = lines.T.copy()
        old = lines.view(np.uint8)
        wide = old.astype(np.uint16)
        near = 3 * wide + 2
        new = np.empty((len(old), 2, old.shape[1]), np.uint8)
        new[0, 0], new[-1, 1] = old[0], old[-1]
        np.right_shift(near[1:] + wide[:-1], 2, out=new[1:, 0], casting="unsafe")
        np.right_shift(near[:-1] + wide[1:], 2, out=new[:-1, 1], casting="unsafe")
        lines = new.reshape(2 * len(old), -1).view(PIXEL)
    doubled: Chip = lines.view(np.uint8).reshape(*lines.shape, 3)
    return doubled


def bytes_of(path: ChipPath) -> bytes:
    """The file as it is stored; raises like `header`."""
    if isinstance(path, ArchivedFile):
        try:
            return path.archive.read(path.place, FILE)
        except ValueError as error:
            raise ChipError(f"{path} {error}") from error
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would wait for ever, a device never end
            raise ChipError(f"{path} is no regular file; a JPG, PNG or GeoTIFF is needed.")
        if found.st_size > FILE:
            raise ChipError(
                f"{path} has {found.st_size:,} bytes; a chip has at most {FILE:,}, cut it into chips first."
            )
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        refusal = type(error)(f"{path} cannot be read: {reason}; check its permissions and its disk, or leave it out.")
        refusal.errno = error.errno
        raise refusal from error

"""Load chips: read an image file and give it the bands, the integer type and the size that a network expects.

A chip is (H, W, bands), with the bands of its `ChipSpec`. What its file states decides which band is which and what
its levels are; what is assumed beyond that is returned as a remark, and a contradiction is refused.
"""

import stat
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from features.arrays import Chip
from features.images import decode, nodata
from features.images.archives import ArchivedFile
from features.images.bands import name_bands
from features.images.date_pair import DatePair
from features.images.floats import without_floats
from features.images.levels import convert
from features.images.listing import ChipPath, ChipSource, SingleChip
from features.images.remarks import Remark
from features.images.spec import ChipSpec
from features.images.stored import MAX_BANDS, MAX_SIDE_PIXELS, Header, StoredImage
from features.images.window import Window

# Every pixel uncompressed, and a MiB for metadata.
MAX_FILE_BYTES = 2 * MAX_SIDE_PIXELS**2 * MAX_BANDS + (1 << 20)
THREE_BYTES = np.dtype("V3")  # a pixel moved as one item; numpy is slow along an axis of three


class ChipError(ValueError):
    """A chip cannot be used; the message starts with its path."""


@dataclass(frozen=True)
class LoadedChip:
    """A chip as a network expects it, and remarks on what was assumed about it or looks wrong with it."""

    pixels: Chip
    remarks: tuple[Remark, ...] = ()


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
    """Return the pixels as they are stored, (H, W, bands); raises like `header`."""
    return read_image(path).pixels


def read_image(path: SingleChip, spec: ChipSpec | None = None) -> StoredImage:
    """Return the image as it is stored, and what its file states about it; raises like `header`.

    Floats become levels of 16 bits: of the range that a spec states, else of reflectance.
    """
    content = b"" if isinstance(path, Window) else bytes_of(path)
    try:
        image = path.picture.read(path) if isinstance(path, Window) else decode.image(content)
        return without_floats(image, spec)
    except ValueError as error:
        raise ChipError(f"{path} {error}") from error


def load(path: ChipSource, spec: ChipSpec) -> Chip:
    """Return the pixels of a chip as a network expects it; raises like `load_with_remarks`."""
    return load_with_remarks(path, spec).pixels


def load_with_remarks(path: ChipSource, spec: ChipSpec) -> LoadedChip:
    """Return the chip as a network expects it, (side, side, bands) of the spec's type; of a pair, the bands of both.

    Raises:
        ChipError: Like `header`; or the chip's bands, type or levels are not the spec's or unknown; or it is empty; or
            the chips of a pair have other bands or types, or there is a pair where a chip is needed, or the reverse.
        OSError: The file cannot be read.
    """
    if isinstance(path, DatePair):
        return _load_pair(path, spec)
    return fit(read_image(path, spec), spec, str(path))


def load_unresized(path: SingleChip, spec: ChipSpec) -> Chip:
    """Return the pixels of a chip as `load` does, but of the size that they are stored in."""
    return _fit_bands(read_image(path, spec), spec, str(path)).pixels


def fit(image: StoredImage, spec: ChipSpec, name: str) -> LoadedChip:
    """Return an image as a network expects it; raises ChipError like `load`, with the name at its start."""
    loaded = _fit_bands(image, spec, name)
    return replace(loaded, pixels=resize(loaded.pixels, spec.side))


def _load_pair(pair: DatePair, spec: ChipSpec) -> LoadedChip:
    """Return the chips of both dates as one, (side, side, 2 * bands), with each remark once."""
    if spec.dates == 1:
        raise ChipError(f"{pair} are a pair of chips, but the model takes single chips; pass these.")
    one = spec.of_one_date()
    images = [read_image(path, one) for path in (pair.before, pair.after)]
    kinds = [f"{image.pixels.shape[2]} bands of {image.pixels.dtype}" for image in images]
    if kinds[0] != kinds[1]:
        raise ChipError(
            f"{pair.before} has {kinds[0]}, but {pair.after} has {kinds[1]}; the chips of a pair must be of one sensor."
        )
    before, after = (fit(image, one, str(path)) for image, path in zip(images, (pair.before, pair.after), strict=True))
    remarks = tuple(dict.fromkeys(before.remarks + after.remarks))
    return LoadedChip(np.concatenate([before.pixels, after.pixels], axis=2), remarks)


def _fit_bands(image: StoredImage, spec: ChipSpec, name: str) -> LoadedChip:
    """Return an image with the bands and the type that a network expects."""
    if spec.dates > 1:
        raise ChipError(f"{name} is a single chip, but the model takes pairs of chips; name them by --pairs.")
    try:
        named, remarks = name_bands(without_floats(image, spec), spec)
        remarks += nodata.judge(named)
        pixels, level_remarks = convert(named, spec)
    except ValueError as error:
        raise ChipError(f"{name} {error}") from error
    return LoadedChip(pixels, remarks + level_remarks)


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

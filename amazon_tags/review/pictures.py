"""Pictures of chips for a page: a thumbnail of each, and sheets of many chips as JPEG.

A sheet is one file with pictures in rows of equal cells. Tens of thousands of small files would be slow to copy and to
open; a page draws the cell that it needs.
"""

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image

from features.arrays import Rgb
from features.images import chips
from features.images.chips import ChipError
from features.images.listing import ChipPath
from features.images.spec import ChipSpec
from features.images.stored import StoredImage
from features.images.visible import visible

THUMBNAIL_SIDE = 96  # pixels
MAX_PICTURE_SIDE = 512  # pixels of the full view; larger chips are shown smaller
SMALL_PICTURE_SIDE = 256  # pixels up to which a sheet holds more chips
JPEG_BLOCK = 16  # pixels; cells begin at a multiple
JPEG_QUALITY = 88
NO_PICTURE = 235  # grey level of the cell of a chip that cannot be used


@dataclass(frozen=True)
class SheetPlan:
    """How the cells of a sheet lie.

    Attributes:
        side: of a picture, in pixels.
        pitch: pixels from a cell to the next.
        columns: cells in a row.
        per_sheet: cells in a sheet.
    """

    side: int
    pitch: int
    columns: int
    per_sheet: int


@dataclass(frozen=True)
class PictureBlock:
    """The next chips: thumbnails (chips, side, side, 3), the sheet of the full view if there is one, and errors."""

    thumbnails: Rgb
    sheet: bytes | None
    errors: list[str | None]  # (chips,) why a chip cannot be used, or None


Source = ChipPath | StoredImage  # what the pixels of a chip are read from: a file, or an image in memory

# Sorted by a score, each thumbnail in a window comes from another sheet. A browser decodes a hundred in 0.01 s, into
# 4 MB; a sheet of a thousand would take ten times as long and as much memory.
THUMBNAILS = SheetPlan(THUMBNAIL_SIDE, THUMBNAIL_SIDE, 10, 100)


def plan_full_view(sources: Sequence[Source | None]) -> SheetPlan | None:
    """Return the plan of the full view's sheets, by the size of the first readable chip; None if thumbnails do."""
    longest = next((side for side in map(_longest_side, sources) if side), 0)
    side = min(longest, MAX_PICTURE_SIDE)
    if side <= THUMBNAIL_SIDE:
        return None
    pitch = -(-side // JPEG_BLOCK) * JPEG_BLOCK
    columns = 10 if side <= SMALL_PICTURE_SIDE else 5
    return SheetPlan(side, pitch, columns, columns**2)


def draw_pictures(
    sources: Sequence[Source | None], spec: ChipSpec, full: SheetPlan | None, *, jobs: int = 1
) -> Iterator[PictureBlock]:
    """Read chips in their order and yield their pictures, a sheet of the full view at a time.

    A chip is shown as a model of `spec` reads it, by the colours of `visible`. None has no picture and no error.
    """
    count = full.per_sheet if full else THUMBNAILS.per_sheet
    draw = partial(_draw_block, spec, full)
    pending: deque[Future[PictureBlock]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for first in range(0, len(sources), count):
                pending.append(pool.submit(draw, sources[first : first + count]))
                if len(pending) > jobs:  # one for each thread, and the next one
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def draw_sheet(pictures: Sequence[Rgb], plan: SheetPlan) -> bytes:
    """Return a sheet of at most `plan.per_sheet` pictures (side, side, 3) as JPEG."""
    rows = -(-len(pictures) // plan.columns)
    columns, rest = min(len(pictures), plan.columns), plan.pitch - plan.side
    sheet = np.full((rows * plan.pitch, columns * plan.pitch, 3), NO_PICTURE, np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, plan.columns)
        top, left = row * plan.pitch, column * plan.pitch
        filled = np.pad(picture, ((0, rest), (0, rest), (0, 0)), "edge")  # colours of a block of JPEG run together
        sheet[top : top + plan.pitch, left : left + plan.pitch] = filled
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def draw_chip(source: Source, spec: ChipSpec, side: int) -> Rgb:
    """Return the picture (side, side, 3) of a chip.

    Raises:
        ChipError: the chip cannot be used by a model of `spec`.
        OSError: the file cannot be read.
    """
    shown = replace(spec, side=side)
    if isinstance(source, StoredImage):
        return visible(chips.fit(source, shown, "chip").pixels, shown)
    return visible(chips.fit(chips.read_image(source), shown, str(source)).pixels, shown)


def reason_against(path: ChipPath, spec: ChipSpec) -> str | None:
    """Return the message on why a chip cannot be used, with its path at the start, or None."""
    try:
        chips.load(path, spec)
    except (ChipError, OSError) as error:
        return str(error)
    return None


def without_folder(source: Source, message: str) -> str:
    """Return the message of an error about a chip, with the file's name for its path, which is no part of a page."""
    if isinstance(source, StoredImage):
        return message
    return f"{source.name}{message.removeprefix(str(source))}"


def _draw_block(spec: ChipSpec, full: SheetPlan | None, sources: Sequence[Source | None]) -> PictureBlock:
    side = full.side if full else THUMBNAIL_SIDE
    blank = np.full((side, side, 3), NO_PICTURE, np.uint8)
    pictures, errors = [], []
    for source in sources:
        picture, error = blank, None
        if source is not None:
            try:
                picture = draw_chip(source, spec, side)
            except (ChipError, OSError) as problem:
                error = without_folder(source, str(problem))
        pictures.append(picture)
        errors.append(error)
    thumbnails: Rgb = np.stack([chips.resize(picture, THUMBNAIL_SIDE) for picture in pictures])
    return PictureBlock(thumbnails, draw_sheet(pictures, full) if full else None, errors)


def _longest_side(source: Source | None) -> int:
    """Return the pixels of a chip's longer side, 0 if it has no readable header."""
    if source is None:
        return 0
    if isinstance(source, StoredImage):
        height, width = source.pixels.shape[:2]
        return int(max(height, width))
    try:
        header = chips.header(source)
    except (ChipError, OSError):
        return 0
    return max(header.width, header.height)

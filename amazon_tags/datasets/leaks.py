"""Find chips that are copies or neighbours of each other, and group them for cross-validation.

If a model trains on a chip and is tested on a copy or a neighbour of it, its score is too high. So a group must not be
split between folds.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.datasets.alike_chips import VectorSearch, alike_pairs, load_network
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.connected import leaders
from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256_bytes
from features.images import chips, listing
from features.images.layout import AS_STATED, Layout
from features.images.listing import ChipPath, Listing
from features.images.remarks import Remark
from features.images.spec import ChipSpec
from features.scenes import chip_edges, duplicates, mosaic
from features.scenes.chip_edges import Edges

COLUMNS = ("image_name", "group", "copy_of", "mosaic", "row", "column")
MAX_SIDE_PIXELS = 256  # larger chips are shrunk to this
MAX_PICTURES = 100  # of mosaics, the largest first
CHIPS_READ_AHEAD = 64  # in memory at a time

Rows = NDArray[np.int64]  # (chips,) row numbers, -1 for none
NO_PAIRS = np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class Leaks:
    """Copies, neighbours and groups of chips; arrays are (chips,) in the order of `paths`, and -1 stands for none.

    Attributes:
        paths: the chips.
        side: of a chip, in pixels.
        copy_of: the first chip with the same content or appearance.
        mosaic: number of the mosaic that a chip lies in with its neighbours; the largest is 0.
        row: of the chip in its mosaic.
        column: of the chip in its mosaic.
        group: the first chip of the group, whose chips must be in one fold.
        layout: how bands and levels of the files are read.
        unusable: how many chips could not be used and were left out.
        alike: how many pairs of chips have similar vectors; None if none were computed.
    """

    paths: Listing
    side: int
    copy_of: Rows
    mosaic: Rows
    row: Rows
    column: Rows
    group: Rows
    layout: Layout = AS_STATED
    unusable: int = 0
    alike: int | None = None


@dataclass(frozen=True)
class _Features:
    """What is compared between chips."""

    digest: str
    thumbnail: NDArray[np.float32]
    lines: NDArray[np.float16]
    rough: NDArray[np.float32]
    remarks: tuple[Remark, ...]


def find_leaks(
    inputs: Sequence[Path],
    *,
    jobs: int = 1,
    layout: Layout = AS_STATED,
    unusable: Path | None = None,
    search: VectorSearch | None = None,
) -> Leaks:
    """Find copies and neighbours among chips, and with a backbone also chips of similar vectors.

    Args:
        inputs: chips, folders or archives of chips.
        jobs: threads.
        layout: how bands and levels of the files are read.
        unusable: leave out chips that cannot be used, and list them in this file; None makes such a chip an error.
        search: chips whose vectors are similar belong to one group.

    Raises:
        ValueError: there are no chips, one cannot be used, or the backbone cannot be.
    """
    embedding = load_network(search, layout, jobs) if search else None  # refused before chips are read
    paths = list_chips(inputs)
    listed = len(paths)
    if unusable:
        paths = paths.take(usable_rows(paths, ChipSpec(side=MAX_SIDE_PIXELS, layout=layout), unusable, jobs=jobs))
    first = chips.header(paths[0])
    spec = ChipSpec(side=min(MAX_SIDE_PIXELS, first.width, first.height), layout=layout)
    remarks = RemarkCounts()
    hashes: list[str] = []
    thumbnails = np.empty((len(paths), duplicates.SIDE_PIXELS, duplicates.SIDE_PIXELS), np.float32)
    lines = np.empty((4, len(paths), 3 * spec.side), np.float16)
    rough = np.empty((4, len(paths)), np.float32)
    with progress.bar("reading", len(paths)) as advance:
        for row, features in enumerate(_read_features(paths, spec, jobs)):
            hashes.append(features.digest)
            thumbnails[row], lines[:, row], rough[:, row] = features.thumbnail, features.lines, features.rough
            remarks.add([listing.name(paths[row])], [features.remarks])
            advance(1)

    if not unusable:  # or they have been reported with the chips that are left out
        remarks.say()

    copy_of = _copies(hashes, thumbnails)
    originals = np.flatnonzero(copy_of < 0)
    arrangement = mosaic.assemble(Edges(lines[:, originals], rough[:, originals]))
    joined = np.bincount(arrangement.mosaic)[arrangement.mosaic] > 1
    places = np.full((3, len(paths)), -1)
    places[:, originals[joined]] = np.stack([arrangement.mosaic, arrangement.row, arrangement.column])[:, joined]
    alike = alike_pairs(paths, *embedding, search.similarity, jobs=jobs) if search and embedding else None
    groups = _groups(copy_of, places[0], NO_PAIRS if alike is None else alike)
    left_out, count = listed - len(paths), None if alike is None else len(alike)
    return Leaks(paths, spec.side, copy_of, places[0], places[1], places[2], groups, layout, left_out, count)


def leaks_text(leaks: Leaks) -> str:
    """Return a summary in one line."""
    copies, sizes = int((leaks.copy_of >= 0).sum()), np.bincount(leaks.mosaic[leaks.mosaic >= 0])
    mosaics = f"{sizes.sum()} chips lie in {len(sizes)} mosaics, the largest of {sizes.max()}" if len(sizes) else "none"
    alike = "" if leaks.alike is None else f"{leaks.alike} pairs have similar vectors; "
    return (
        f"{len(leaks.paths)} chips: {copies} are copies of an earlier one; neighbours: {mosaics}; {alike}"
        f"{len(np.unique(leaks.group))} groups"
    )


def write_leaks(stream: TextIO, leaks: Leaks) -> None:
    """Write a table with a row for each chip; a group is named after its first chip, and cells may be empty."""
    names = leaks.paths.names()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for chip, (name, original, group) in enumerate(zip(names, leaks.copy_of, leaks.group, strict=True)):
        place = [column[chip] for column in (leaks.mosaic, leaks.row, leaks.column)]
        copy_of = names[original] if original >= 0 else ""
        table.writerow([name, names[group], copy_of, *(place if place[0] >= 0 else ["", "", ""])])


def draw_mosaics(folder: Path, leaks: Leaks) -> int:
    """Draw the 100 largest mosaics into a new or empty folder, and return the number of pictures."""
    count = min(MAX_PICTURES, int(leaks.mosaic.max(initial=-1)) + 1)
    with folders.filled_folder(folder) as part:
        for number in range(count):
            members = np.flatnonzero(leaks.mosaic == number)
            rows, columns = leaks.row[members], leaks.column[members]
            spec = ChipSpec(side=mosaic.scale(rows, columns, leaks.side), layout=leaks.layout)
            picture = mosaic.picture([chips.load(path, spec) for path in leaks.paths.take(members)], rows, columns)
            with atomic.atomic_file(part / f"mosaic_{number}.jpg") as stream:
                picture.save(stream, "JPEG", quality=90)
    return count


def _read_features(paths: Listing, spec: ChipSpec, jobs: int) -> Iterator[_Features]:
    """Yield the features of each chip, in order, computed a few chips ahead."""
    waiting: deque[Future[_Features]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(_features, path, spec))
                if len(waiting) > CHIPS_READ_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _features(path: ChipPath, spec: ChipSpec) -> _Features:
    chip = chips.load_with_remarks(path, spec)
    pixels = chip.pixels.astype(np.uint8, copy=False)
    digest = sha256_bytes(chips.bytes_of(path))
    return _Features(digest, duplicates.thumbnail(pixels), *chip_edges.edges_of(pixels), chip.remarks)


def _copies(hashes: Sequence[str], thumbnails: NDArray[np.float32]) -> Rows:
    """Return for each chip the first one with the same content or nearly the same thumbnail, or -1."""
    first: dict[str, int] = {}
    same = [(first.setdefault(digest, row), row) for row, digest in enumerate(hashes)]
    leader = leaders(len(hashes), np.concatenate([np.array(same, np.int64), duplicates.find_pairs(thumbnails)]))
    return np.where(leader == np.arange(len(hashes)), -1, leader)


def _groups(copy_of: Rows, mosaics: Rows, alike: Rows) -> Rows:
    """Return for each chip the first one of its group: its copies, the chips of its mosaic, and pairs (pairs, 2)."""
    chip = np.arange(len(copy_of))
    copied, placed = copy_of >= 0, np.flatnonzero(mosaics >= 0)
    _, first = np.unique(mosaics[placed], return_index=True)
    neighbours = np.stack([placed[first][mosaics[placed]], placed], axis=1)
    return leaders(len(chip), np.concatenate([np.stack([copy_of, chip], axis=1)[copied], neighbours, alike]))

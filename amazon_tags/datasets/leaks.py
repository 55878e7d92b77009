"""What `amazon_tags leaks` does: chips in, groups out that must not be torn apart between folds.

Chips leak where one is a copy of another, or its neighbour in a scene: a model that has seen the one knows the other.
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
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from amazon_tags import progress
from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256_bytes
from features.images import chips, listing
from features.images.chips import ChipSpec
from features.images.listing import ChipPath, Listing
from features.scenes import chip_edges, duplicates, mosaic
from features.scenes.chip_edges import Edges

COLUMNS = ("image_name", "group", "copy_of", "mosaic", "row", "column")
SIDE = 256  # pixels, to which larger chips are shrunk
MOST = 100  # pictures
AHEAD = 64  # chips read ahead

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Leaks:
    """What was found, (chips,) each, in the order of `paths`; -1 stands for none.

    `side` is that of a chip in pixels. `copy_of` is the first chip that shows the same. `mosaic`, `row` and `column`
    tell where a chip lies that has neighbours, the largest mosaic being 0. `group` is the first chip of those that must
    stay together.
    """

    paths: Listing
    side: int
    copy_of: Rows
    mosaic: Rows
    row: Rows
    column: Rows
    group: Rows


@dataclass(frozen=True)
class _Look:
    content: str
    picture: NDArray[np.float32]
    lines: NDArray[np.float16]
    rough: NDArray[np.float32]


def find_leaks(inputs: Sequence[Path], *, jobs: int = 1) -> Leaks:
    """Find copies and neighbours among chips.

    Raises:
        ValueError: there are no chips, or one cannot be used.
    """
    paths = listing.chips(inputs)
    first = chips.header(paths[0])
    spec = ChipSpec(side=min(SIDE, first.width, first.height))
    hashes: list[str] = []
    pictures = np.empty((len(paths), duplicates.SIDE_PIXELS, duplicates.SIDE_PIXELS), np.float32)
    lines = np.empty((4, len(paths), 3 * spec.side), np.float16)
    rough = np.empty((4, len(paths)), np.float32)
    with progress.bar("looking", len(paths)) as advance:
        for row, look in enumerate(_looks(paths, spec, jobs)):
            hashes.append(look.content)
            pictures[row], lines[:, row], rough[:, row] = look.picture, look.lines, look.rough
            advance(1)
    copy_of = _copies(hashes, pictures)
    apart = np.flatnonzero(copy_of < 0)
    layout = mosaic.assemble(Edges(lines[:, apart], rough[:, apart]))
    joined = np.bincount(layout.mosaic)[layout.mosaic] > 1
    places = np.full((3, len(paths)), -1)
    places[:, apart[joined]] = np.stack([layout.mosaic, layout.row, layout.column])[:, joined]
    return Leaks(paths, spec.side, copy_of, places[0], places[1], places[2], _groups(copy_of, places[0]))


def leaks_text(found: Leaks) -> str:
    """What was found, in a sentence."""
    copies, sizes = int((found.copy_of >= 0).sum()), np.bincount(found.mosaic[found.mosaic >= 0])
    mosaics = f"{sizes.sum()} chips lie in {len(sizes)} mosaics, the largest of {sizes.max()}" if len(sizes) else "none"
    return (
        f"{len(found.paths)} chips: {copies} show the same as an earlier one; neighbours: {mosaics}; "
        f"{len(np.unique(found.group))} groups"
    )


def write_leaks(stream: TextIO, found: Leaks) -> None:
    """The table, a row a chip: a group has the name of its first chip, and what a chip is not part of is empty."""
    names = found.paths.names()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for chip, (name, copied, group) in enumerate(zip(names, found.copy_of, found.group, strict=True)):
        place = [column[chip] for column in (found.mosaic, found.row, found.column)]
        of = names[copied] if copied >= 0 else ""
        table.writerow([name, names[group], of, *(place if place[0] >= 0 else ["", "", ""])])


def draw_mosaics(folder: Path, found: Leaks) -> int:
    """A picture of each mosaic, of the 100 largest at most, in a new or empty folder; returns how many there are."""
    count = min(MOST, int(found.mosaic.max(initial=-1)) + 1)
    with folders.filled_folder(folder) as part:
        for number in range(count):
            members = np.flatnonzero(found.mosaic == number)
            rows, columns = found.row[members], found.column[members]
            spec = ChipSpec(side=mosaic.scale(rows, columns, found.side))
            picture = mosaic.picture([chips.load(path, spec) for path in found.paths.take(members)], rows, columns)
            with atomic.atomic_file(part / f"mosaic_{number}.jpg") as stream:
                picture.save(stream, "JPEG", quality=90)
    return count


def _looks(paths: Listing, spec: ChipSpec, jobs: int) -> Iterator[_Look]:
    """What is to be known of each chip, in order, a few read ahead."""
    waiting: deque[Future[_Look]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(_look, path, spec))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _look(path: ChipPath, spec: ChipSpec) -> _Look:
    pixels = chips.load(path, spec).astype(np.uint8, copy=False)
    return _Look(sha256_bytes(chips.bytes_of(path)), duplicates.thumbnail(pixels), *chip_edges.edges_of(pixels))


def _copies(hashes: Sequence[str], pictures: NDArray[np.float32]) -> Rows:
    """Of each chip the first one that shows the same, by content or by looks, or -1."""
    first: dict[str, int] = {}
    same = [(first.setdefault(content, row), row) for row, content in enumerate(hashes)]
    leader = _leaders(len(hashes), np.concatenate([np.array(same, np.int64), duplicates.find_pairs(pictures)]))
    return np.where(leader == np.arange(len(hashes)), -1, leader)


def _groups(copy_of: Rows, mosaics: Rows) -> Rows:
    """Of each chip the first one of its group."""
    chip = np.arange(len(copy_of))
    copied, placed = copy_of >= 0, np.flatnonzero(mosaics >= 0)
    _, first = np.unique(mosaics[placed], return_index=True)
    neighbours = np.stack([placed[first][mosaics[placed]], placed], axis=1)
    return _leaders(len(chip), np.concatenate([np.stack([copy_of, chip], axis=1)[copied], neighbours]))


def _leaders(count: int, pairs: Rows) -> Rows:
    """Of each of `count` chips the first one that it hangs together with, by pairs (pairs, 2)."""
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    _, first = np.unique(part, return_index=True)
    leaders: Rows = first[part]
    return leaders

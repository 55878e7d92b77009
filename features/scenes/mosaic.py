"""Mosaics: chips put back to where they lay in their scene, by the fit of their edges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from features.scenes import chip_edges
from features.scenes.chip_edges import Edges

SURE = 0.25  # evidence that puts two parts together: the edges lie 1.28 times nearer than any rival
STEPS = ((0, 1), (1, 0))  # rows and columns to the neighbour at the right and to the one below
PICTURE = 4096  # pixels of a picture's longer side, at most

Cell = tuple[int, int]  # row and column


@dataclass(frozen=True)
class Layout:
    """Where each chip lies: (chips,) each; a mosaic's rows and columns begin at 0, and single chips are mosaics too."""

    mosaic: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]

    def members(self) -> Iterator[NDArray[np.intp]]:
        """The chips of each mosaic in the order of its number."""
        order = np.argsort(self.mosaic, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(self.mosaic[order])) + 1)

    def pairs(self) -> set[tuple[int, int, int]]:
        """All neighbours: 0 for side by side or 1 for one above the other, the first chip and the second."""
        cells = {(int(m), int(r), int(c)): chip for chip, (m, r, c) in enumerate(self._places())}
        found = set()
        for (mosaic, row, column), chip in cells.items():
            for side, (down, right) in enumerate(STEPS):
                other = cells.get((mosaic, row + down, column + right))
                if other is not None:
                    found.add((side, chip, other))
        return found

    def _places(self) -> NDArray[np.int64]:
        return np.stack([self.mosaic, self.row, self.column], axis=1)


def assemble(given: Edges) -> Layout:
    """Put chips together, the surest pair first.

    Two parts are joined where a chip of one fits a chip of the other best, no cell would be taken twice, and the edges
    that would then meet, all of them together, are evidence enough: so a doubtful pair is settled by its surroundings.
    Gallagher 2012 ("Jigsaw puzzles with pieces of unknown orientation", section 3.2) grows its tree in the same way.

    Args:
        given: the edges of all chips; repeats left out, for a chip and its copy are rivals of each other.
    """
    known = [chip_edges.nearest_edges(given, side) for side in range(2)]

    def weigh(side: int, ours: int, theirs: int) -> float:
        return chip_edges.evidence(given, known[side], side, ours, theirs)

    fits = {
        pair
        for side, (forward, backward) in enumerate(known)
        for pair in (
            *((side, chip, int(fit)) for chip, fit in enumerate(forward.who) if fit >= 0),
            *((side, int(fit), chip) for chip, fit in enumerate(backward.who) if fit >= 0),
        )
    }
    weighed = sorted(((weigh(*fit), fit) for fit in fits), reverse=True)
    parts = [{(0, 0): chip} for chip in range(given.lines.shape[1])]
    home = list(range(len(parts)))  # of each chip, its part
    cell: list[Cell] = [(0, 0)] * len(parts)
    before = None
    while before != (before := len(set(home))):
        for _, (side, ours, theirs) in weighed:
            if home[ours] == home[theirs]:
                continue
            down, right = (cell[ours][axis] + STEPS[side][axis] - cell[theirs][axis] for axis in range(2))
            stays, moves = home[ours], home[theirs]
            if len(parts[stays]) < len(parts[moves]):
                stays, moves, down, right = moves, stays, -down, -right
            moved = {(row + down, column + right): chip for (row, column), chip in parts[moves].items()}
            if moved.keys() & parts[stays].keys() or sum(weigh(*pair) for pair in _meeting(parts[stays], moved)) < SURE:
                continue
            parts[stays].update(moved)
            parts[moves] = {}
            for place, chip in moved.items():
                home[chip], cell[chip] = stays, place
    return _numbered(home, cell)


def _meeting(stays: dict[Cell, int], moved: dict[Cell, int]) -> Iterator[tuple[int, int, int]]:
    """The pairs of chips, one of each part, that lie side by side."""
    for (row, column), chip in moved.items():
        for side, (down, right) in enumerate(STEPS):
            if (after := stays.get((row + down, column + right))) is not None:
                yield side, chip, after
            if (ahead := stays.get((row - down, column - right))) is not None:
                yield side, ahead, chip


def _numbered(home: Sequence[int], cell: Sequence[Cell]) -> Layout:
    """Mosaics numbered from the largest, and among those of one size by their first chip."""
    _, first, part, sizes = np.unique(home, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    places = np.array(cell, np.int64).reshape(-1, 2)
    least = np.full((len(sizes), 2), np.iinfo(np.int64).max)
    np.minimum.at(least, part, places)
    row, column = (places - least[part]).T
    return Layout(number[part], row, column)


def scale(rows: NDArray[np.int64], columns: NDArray[np.int64], side: int) -> int:
    """Pixels of a chip's side at which a mosaic fits into a picture of `PICTURE`, at most `side`."""
    return min(side, max(1, PICTURE // (int(max(rows.max(), columns.max())) + 1)))


def picture(chips: Sequence[NDArray[Any]], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Image.Image:
    """Chips at their places, cells without one black.

    Args:
        chips: (side, side, 3) uint8 each, of one side.
        rows: (chips,).
        columns: (chips,).
    """
    side = len(chips[0])
    canvas = Image.new("RGB", ((int(columns.max()) + 1) * side, (int(rows.max()) + 1) * side))
    for chip, row, column in zip(chips, rows, columns, strict=True):
        canvas.paste(Image.fromarray(chip), (int(column) * side, int(row) * side))
    return canvas

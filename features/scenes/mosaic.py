"""Assemble mosaics: place chips where they lay in their scene, by the fit of their edges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from features.arrays import Positions
from features.scenes import chip_edges
from features.scenes.chip_edges import Edges, Nearest

MIN_EVIDENCE = 0.25  # that joins two parts: the edges are 1.28 times nearer than any rival
STEPS = ((0, 1), (1, 0))  # rows and columns to the neighbour at the right and to the one below
MAX_PICTURE_PIXELS = 4096  # of a picture's longer side

Cell = tuple[int, int]  # row and column
Pair = tuple[int, int, int]  # 0 for side by side or 1 for one above the other; the first chip; the second chip


@dataclass(frozen=True)
class Layout:
    """The place of each chip; all (chips,). Rows and columns of a mosaic begin at 0; a single chip is a mosaic too."""

    mosaic: Positions
    row: Positions
    column: Positions

    def pairs(self) -> set[Pair]:
        """Return all neighbours."""
        places = np.stack([self.mosaic, self.row, self.column], axis=1)
        cells = {(int(mosaic), int(row), int(column)): chip for chip, (mosaic, row, column) in enumerate(places)}
        pairs = set()
        for (mosaic, row, column), chip in cells.items():
            for side, (down, right) in enumerate(STEPS):
                other = cells.get((mosaic, row + down, column + right))
                if other is not None:
                    pairs.add((side, chip, other))
        return pairs


def assemble(edges: Edges) -> Layout:
    """Join chips to mosaics, the surest pair first.

    Two parts are joined if a chip of one is the best fit of a chip of the other, no cell would hold two chips, and all
    edges that would then meet are together evidence enough: so the surroundings decide about a doubtful pair. Gallagher
    2012 ("Jigsaw puzzles with pieces of unknown orientation", section 3.2) grows its tree in the same way.

    Args:
        edges: Of all chips, without copies: a chip and its copy would be rivals of each other.
    """
    nearest = [chip_edges.nearest_edges(edges, side) for side in range(2)]

    def weigh(side: int, ours: int, theirs: int) -> float:
        return chip_edges.evidence(edges, nearest[side], side, ours, theirs)

    surest_first = sorted(((weigh(*pair), pair) for pair in _best_fits(nearest)), reverse=True)

    parts = [{(0, 0): chip} for chip in range(edges.lines.shape[1])]
    part_of = list(range(len(parts)))  # of each chip
    cell_of: list[Cell] = [(0, 0)] * len(parts)
    count = None
    while count != (count := len(set(part_of))):
        for _, (side, ours, theirs) in surest_first:
            if part_of[ours] == part_of[theirs]:
                continue
            down, right = (cell_of[ours][axis] + STEPS[side][axis] - cell_of[theirs][axis] for axis in range(2))
            fixed, moving = part_of[ours], part_of[theirs]
            if len(parts[fixed]) < len(parts[moving]):
                fixed, moving, down, right = moving, fixed, -down, -right

            moved = {(row + down, column + right): chip for (row, column), chip in parts[moving].items()}
            if moved.keys() & parts[fixed].keys():
                continue
            if sum(weigh(*pair) for pair in _meeting_pairs(parts[fixed], moved)) < MIN_EVIDENCE:
                continue
            parts[fixed].update(moved)
            parts[moving] = {}
            for cell, chip in moved.items():
                part_of[chip], cell_of[chip] = fixed, cell
    return _number(part_of, cell_of)


def _best_fits(nearest: Sequence[tuple[Nearest, Nearest]]) -> set[Pair]:
    """Return the pairs of chips of which one is the best fit of the other, on both sides."""
    return {
        pair
        for side, (forward, backward) in enumerate(nearest)
        for pair in (
            *((side, chip, int(fit)) for chip, fit in enumerate(forward.chip) if fit >= 0),
            *((side, int(fit), chip) for chip, fit in enumerate(backward.chip) if fit >= 0),
        )
    }


def _meeting_pairs(fixed: dict[Cell, int], moved: dict[Cell, int]) -> Iterator[Pair]:
    """Yield the pairs of chips, one of each part, that are neighbours."""
    for (row, column), chip in moved.items():
        for side, (down, right) in enumerate(STEPS):
            if (after := fixed.get((row + down, column + right))) is not None:
                yield side, chip, after
            if (before := fixed.get((row - down, column - right))) is not None:
                yield side, before, chip


def _number(part_of: Sequence[int], cell_of: Sequence[Cell]) -> Layout:
    """Number mosaics from the largest, and those of equal size by their first chip."""
    _, first, part, sizes = np.unique(part_of, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))

    cells = np.array(cell_of, np.int64).reshape(-1, 2)
    least = np.full((len(sizes), 2), np.iinfo(np.int64).max)
    np.minimum.at(least, part, cells)
    row, column = (cells - least[part]).T
    return Layout(number[part], row, column)


def scale(rows: Positions, columns: Positions, side: int) -> int:
    """Return the side of a chip, in pixels, at which a mosaic fits into `MAX_PICTURE_PIXELS`; at most `side`."""
    return min(side, max(1, MAX_PICTURE_PIXELS // (int(max(rows.max(), columns.max())) + 1)))


def picture(chips: Sequence[NDArray[Any]], rows: Positions, columns: Positions) -> Image.Image:
    """Draw chips at their places; cells without a chip are black.

    Args:
        chips: (side, side, 3) uint8 each, all of one side.
        rows: (chips,).
        columns: (chips,).
    """
    side = len(chips[0])
    canvas = Image.new("RGB", ((int(columns.max()) + 1) * side, (int(rows.max()) + 1) * side))
    for chip, row, column in zip(chips, rows, columns, strict=True):
        canvas.paste(Image.fromarray(chip), (int(column) * side, int(row) * side))
    return canvas

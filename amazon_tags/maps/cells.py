"""Cells of a map: the mean of the windows that cover each, and the tags decided from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model.bundle import Bundle
from ensemble.arrays import Floats, Rows, Scores, Tags
from ensemble.decisions.decision import expected_f
from features.images.footprint import Box, Footprint, ring
from features.scenes.scene import Scene
from features.scenes.windows import Grid, Windows

CELLS_PER_DECISION = 4096  # cells decided at a time: decoders hold some matrices of all labels and ranks


@dataclass(frozen=True)
class MapCells:
    """The cells of a map in order, row by row; without overlap, they are the windows.

    Attributes:
        scene: Where they lie.
        boxes: (cells,) their pixels.
        scores: (cells, labels) the mean of the scores of the windows that cover a cell.
        tags: (cells, labels) decided from these.
        expected_f: (cells,) the expected F-beta of the tags, if the scores are probabilities.
        valid: (cells,) the share of pixels with data, as the mean of the same windows.
    """

    scene: Scene
    boxes: list[Box]
    scores: Scores
    tags: Tags
    expected_f: Floats
    valid: Floats

    @property
    def names(self) -> list[str]:
        """The cells' names, by the first row and column: r256_c0."""
        return [f"r{top}_c{left}" for left, top, _, _ in self.boxes]

    @property
    def footprints(self) -> list[Footprint]:
        """The polygons of the cells in the scene's coordinates."""
        return [Footprint(self.scene.crs, ring(self.scene.transform, box)) for box in self.boxes]

    def take(self, rows: Rows) -> "MapCells":
        """Return some of the cells."""
        boxes = [self.boxes[row] for row in rows]
        return MapCells(self.scene, boxes, self.scores[rows], self.tags[rows], self.expected_f[rows], self.valid[rows])


def make_cells(scene: Scene, windows: Windows, scores: Scores, valid: Floats, model: Bundle) -> MapCells:
    """Average the scores of windows over the cells that they cover, and decide the cells' tags.

    Args:
        scene: The scene.
        windows: The windows that were scored; cells that none covers are left out.
        scores: (windows, labels).
        valid: (windows,) the shares of pixels with data.
        model: Decides tags.
    """
    grid = windows.grid
    sums, counts = cell_sums(grid, windows.positions, np.column_stack([scores, valid]))
    rows, columns = np.nonzero(counts)
    means = sums[rows, columns] / counts[rows, columns][:, np.newaxis]
    cell_scores: Scores = means[:, :-1].astype(np.float32)

    tags, expected = np.empty(cell_scores.shape, np.bool_), np.empty(len(cell_scores))
    for first in range(0, len(cell_scores), CELLS_PER_DECISION):
        part = slice(first, first + CELLS_PER_DECISION)
        tags[part] = model.decide(cell_scores[part])
        expected[part] = expected_f(model.decision, cell_scores[part], tags[part])
    boxes = [grid.cell_box(int(column), int(row)) for row, column in zip(rows, columns, strict=True)]
    return MapCells(scene, boxes, cell_scores, tags, expected, means[:, -1])


def cell_sums(grid: Grid, positions: Sequence[int] | NDArray[np.int64], values: Floats) -> tuple[Floats, Floats]:
    """Return the sum of the windows' values over each cell (rows, columns, values), and how many windows these are.

    Args:
        grid: Windows and cells.
        positions: (windows,) in the grid: row * windows in a row + column.
        values: (windows, values).
    """
    columns, rows = grid.count
    known = np.zeros((rows * columns, values.shape[1] + 1))
    known[positions, :-1] = values
    known[positions, -1] = 1
    known = known.reshape(rows, columns, -1)

    cells = np.zeros((grid.cells[1], grid.cells[0], known.shape[2]))
    for down in range(grid.covered[1]):
        for right in range(grid.covered[0]):  # the window this many rows above and columns left of a cell covers it
            target = cells[down : down + rows, right : right + columns]
            target += known[: target.shape[0], : target.shape[1]]
    return cells[..., :-1], cells[..., -1]

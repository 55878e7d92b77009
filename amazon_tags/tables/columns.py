"""Label columns of a table, one for each label of a label space: read and checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.image_names import image_names
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from ensemble.arrays import Scores


def parse_matrix(path: Path, content: bytes) -> tuple[list[str], Scores, tuple[str, ...]]:
    """Return image names, numbers (chips, columns) and column names of a CSV file.

    Raises:
        ValueError: a cell is not a number, or `csv_rows.parse` refuses the file.
    """
    table = csv_rows.parse(path, content, ("image_name",))
    ids = image_names(table)
    position = table.columns.index("image_name")
    columns = table.columns[:position] + table.columns[position + 1 :]
    matrix = np.empty((len(ids), len(columns)), dtype=np.float32)
    for row, cells in enumerate(table.cells):
        try:
            matrix[row] = [float(cell) for cell in cells[:position] + cells[position + 1 :]]
        except ValueError as error:
            raise ValueError(f"{path} line {table.lines[row]}: {error}; needed a score in [0, 1].") from error
    return ids, matrix, columns


def refuse_columns(path: Path, columns: Sequence[str], space: LabelSpace) -> None:
    """Raise ValueError unless the columns are the labels of the label space, in any order."""
    missing = [name for name in space.names if name not in columns]
    extra = [name for name in columns if name not in space.names]
    if missing or extra:
        parts = [
            f"{len(names)} label columns are {problem} (first: {names[0]!r}{did_you_mean(names[0], others)})"
            for names, problem, others in ((missing, "missing", extra), (extra, "unknown", missing))
            if names
        ]
        raise ValueError(
            f"{path}: {' and '.join(parts)}; needed image_name and the {len(space.names)} labels of {space.name!r}."
        )


def refuse_shape(title: str, matrix: NDArray[Any], ids: Sequence[str], space: LabelSpace) -> None:
    """Raise ValueError unless a matrix has one row for each chip and one column for each label."""
    needed = (len(ids), len(space.names))
    if np.shape(matrix) != needed:
        raise ValueError(
            f"{title} have shape {np.shape(matrix)}, needed {needed}: one row for each chip and one column for each "
            f"label of {space.name!r}."
        )

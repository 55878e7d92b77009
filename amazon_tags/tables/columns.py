"""What label tables and score tables share: image names, label columns, and the checks on both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.csv_rows import CsvRows
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from ensemble.arrays import Scores
from features.images import naming


def select(ids: Sequence[str], wanted: Sequence[str]) -> NDArray[np.intp]:
    """Positions in `ids` of what is `wanted`, in the order of `wanted`.

    Example:
        >>> select(["a", "b", "c"], ["c", "a"]).tolist()
        [2, 0]
    """
    refuse_repeats("The chips to select from", ids)
    places = {name: place for place, name in enumerate(ids)}
    missing = [name for name in wanted if name not in places]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} wanted chips are missing from the {len(ids)} given "
            f"(first: {missing[0]!r}); give these chips too, or leave them out of the table that asks for them."
        )
    return np.array([places[name] for name in wanted], dtype=np.intp)


def image_names(table: CsvRows) -> list[str]:
    """Return the image names of a table, checked: none is empty, none is repeated."""
    ids = [naming.name(cell) for cell in csv_rows.column(table, "image_name")]
    empty = [row for row, name in enumerate(ids) if not name.strip()]
    if empty:
        raise ValueError(
            f"{table.path} line {table.lines[empty[0]]}: image_name is empty ({len(empty)} such rows); name the chip."
        )
    refuse_repeats(str(table.path), ids, table.lines)
    return ids


def refuse_repeats(where: str, ids: Sequence[str], lines: Sequence[int] | None = None) -> None:
    """Raise ValueError if a name stands twice."""
    if len(set(ids)) == len(ids):
        return
    first: dict[str, int] = {}
    again: list[int] = []
    for row, name in enumerate(ids):
        if name in first:
            again.append(row)
        else:
            first[name] = row
    name = ids[again[0]]
    pair = [row if lines is None else lines[row] for row in (first[name], again[0])]
    raise ValueError(
        f"{where}: {len(again)} images are repeated (first: {name!r} in {'rows' if lines is None else 'lines'} "
        f"{pair[0]} and {pair[1]}); keep one of each."
    )


def refuse_columns(path: Path, columns: Sequence[str], space: LabelSpace) -> None:
    """Raise ValueError unless the columns are the space's labels, in any order."""
    missing = [name for name in space.names if name not in columns]
    extra = [name for name in columns if name not in space.names]
    if missing or extra:
        parts = [
            f"{len(names)} label columns are {what} (first: {names[0]!r}{did_you_mean(names[0], others)})"
            for names, what, others in ((missing, "missing", extra), (extra, "unknown", missing))
            if names
        ]
        raise ValueError(
            f"{path}: {' and '.join(parts)}; needed image_name and the {len(space.names)} labels of {space.name!r}."
        )


def refuse_shape(what: str, matrix: NDArray[Any], ids: Sequence[str], space: LabelSpace) -> None:
    """Raise ValueError unless a matrix has one row for each chip and one column for each label."""
    needed = (len(ids), len(space.names))
    if np.shape(matrix) != needed:
        raise ValueError(
            f"{what} have shape {np.shape(matrix)}, needed {needed}: one row for each chip and one column for each "
            f"label of {space.name!r}."
        )


def parse_matrix(path: Path, content: bytes) -> tuple[list[str], Scores, tuple[str, ...]]:
    """Return image names, numbers (chips, columns) and column names of a CSV file."""
    table = csv_rows.parse(path, content, ("image_name",))
    ids = image_names(table)
    place = table.columns.index("image_name")
    columns = table.columns[:place] + table.columns[place + 1 :]
    matrix = np.empty((len(ids), len(columns)), dtype=np.float32)
    for row, cells in enumerate(table.cells):
        try:
            matrix[row] = [float(cell) for cell in cells[:place] + cells[place + 1 :]]
        except ValueError as error:
            raise ValueError(f"{path} line {table.lines[row]}: {error}; needed a score in [0, 1].") from error
    return ids, matrix, columns

"""The column `image_name`, which every table has: read, checked and looked up.

A chip's image name is its file name without folder and suffix, as in `features.images.naming`; a suffix in a table is
dropped.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.csv_rows import CsvRows
from features.images import naming


def image_names(table: CsvRows) -> list[str]:
    """Return the image names of a table, in its order.

    Raises:
        ValueError: a name is empty or repeated.
    """
    ids = [naming.name(cell) for cell in csv_rows.column(table, "image_name")]
    empty = [row for row, name in enumerate(ids) if not name.strip()]
    if empty:
        raise ValueError(
            f"{table.path} line {table.lines[empty[0]]}: image_name is empty ({len(empty)} such rows); name the chip."
        )
    refuse_repeats(str(table.path), ids, table.lines)
    return ids


def refuse_repeats(where: str, ids: Sequence[str], lines: Sequence[int] | None = None) -> None:
    """Raise ValueError if a name occurs twice; the message names the lines, or the rows if there are no lines."""
    if len(set(ids)) == len(ids):
        return

    first: dict[str, int] = {}
    repeats = [row for row, name in enumerate(ids) if first.setdefault(name, row) != row]
    name = ids[repeats[0]]
    pair = [row if lines is None else lines[row] for row in (first[name], repeats[0])]
    raise ValueError(
        f"{where}: {len(repeats)} images are repeated (first: {name!r} in {'rows' if lines is None else 'lines'} "
        f"{pair[0]} and {pair[1]}); keep one of each."
    )


def select(ids: Sequence[str], wanted: Sequence[str]) -> NDArray[np.intp]:
    """Return the positions in `ids` of the names that are wanted, in the order of `wanted`.

    Raises:
        ValueError: `ids` repeats a name, or lacks one that is wanted.

    Example:
        >>> select(["a", "b", "c"], ["c", "a"]).tolist()
        [2, 0]
    """
    refuse_repeats("The chips to select from", ids)
    positions = {name: position for position, name in enumerate(ids)}
    missing = [name for name in wanted if name not in positions]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} chips are missing from the {len(ids)} chips to select from "
            f"(first: {missing[0]!r}); add these chips, or leave them out of the table that names them."
        )
    return np.array([positions[name] for name in wanted], dtype=np.intp)

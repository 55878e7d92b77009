"""The column `image_name`, which every table has: read, checked and looked up.

A chip's image name is its file name without folder and suffix, as in `features.images.naming`; tables may write it with
both, and with blanks around it.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.tables import csv_rows
from amazon_tags.tables.csv_rows import CsvRows
from amazon_tags.tables.suggest import nearest
from features.images import naming

LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)|\.0+\Z")  # and the decimal that a spreadsheet or pandas adds
SPELLINGS: dict[str, Callable[[str], str]] = {  # what two spellings of one name differ by -> a form in which they agree
    "leading zeros, which spreadsheets drop: write the names as text": lambda name: LEADING_ZEROS.sub("", name),
    "upper and lower case": str.casefold,
    "blanks, hyphens or underscores": lambda name: re.sub(r"[\s_-]", "", name),
}
MAX_SEARCHED_NAMES = 5_000  # among which the nearest name is sought; it takes 0.1 s


def image_names(table: CsvRows) -> list[str]:
    """Return the image names of a table, in its order, and report what was dropped from them.

    Raises:
        ValueError: a name is empty or repeated.
    """
    cells = csv_rows.column(table, "image_name")
    ids = plain_names(table.path, cells, table.lines)
    refuse_repeats(str(table.path), ids, table.lines)
    for remark in [*table.remarks, *name_remarks(cells)]:
        progress.say(f"{table.path}: {remark}")
    return ids


def plain_names(path: Path, cells: Sequence[str], lines: Sequence[int] | None = None) -> list[str]:
    """Return the names of a table's cells, which may repeat; raise ValueError for an empty one, with its line."""
    ids = [naming.name(cell) for cell in cells]
    empty = [row for row, name in enumerate(ids) if not name]
    if empty:
        place = f" line {lines[empty[0]]}" if lines else ""
        raise ValueError(f"{path}{place}: image_name is empty ({len(empty)} such rows); name the chip.")
    return ids


def dropped(cell: str) -> list[str]:
    """Return what `naming.name` drops or changes in a cell, but for an image suffix.

    Example:
        >>> dropped("chips/a.jpg "), dropped("a.jpg")
        (['blanks around the name', 'a folder before the name'], [])
    """
    text = naming.BLANKS_AROUND.sub("", cell)
    changes = {
        "blanks around the name": text != cell,
        "a folder before the name": naming.last_part(text) != text,
        "letters not in Unicode's NFC": unicodedata.normalize("NFC", text) != text,
    }
    return [change for change, happens in changes.items() if happens]


def name_remarks(cells: Sequence[str]) -> list[str]:
    """Return a remark for each kind of thing that `naming.name` dropped from cells, with its count and first cell."""
    rows_by_change: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        for change in dropped(cell):
            rows_by_change.setdefault(change, []).append(row)
    return [
        f"{len(rows)} of {len(cells)} names have {change}, which does not count (first: {cells[rows[0]]!r})"
        for change, rows in rows_by_change.items()
    ]


def refuse_repeats(
    where: str, ids: Sequence[str], lines: Sequence[int] | None = None, *, advice: str = "keep one of each"
) -> None:
    """Raise ValueError if a name occurs twice; the message names the lines, or the rows if there are no lines."""
    if len(set(ids)) == len(ids):
        return

    first: dict[str, int] = {}
    repeats = [row for row, name in enumerate(ids) if first.setdefault(name, row) != row]
    name = ids[repeats[0]]
    pair = [row if lines is None else lines[row] for row in (first[name], repeats[0])]
    raise ValueError(
        f"{where}: {len(repeats)} images are repeated (first: {name!r} in {'rows' if lines is None else 'lines'} "
        f"{pair[0]} and {pair[1]}); {advice}."
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
            f"(first: {missing[0]!r}){likely_difference(missing[0], ids)}; add these chips, or leave them out of the "
            "table that names them."
        )
    return np.array([positions[name] for name in wanted], dtype=np.intp)


def likely_difference(name: str, others: Sequence[str]) -> str:
    """Return a clause that shows which of the `others` a missing name probably is, and by what it differs.

    Example:
        >>> likely_difference("Chip_7", ["chip_6", "chip_7"])
        "; 'chip_7' is there, which differs by upper and lower case"
        >>> likely_difference("b", ["chip_6", "chip_7"])
        "; names that are there look like 'chip_6'"
    """
    for difference, form in SPELLINGS.items():
        wanted = form(name)
        match = next((other for other in others if form(other) == wanted and other != name), None)
        if match is not None:
            return f"; {match!r} is there, which differs by {difference}"

    near = nearest(name, islice(others, MAX_SEARCHED_NAMES))
    if near is not None and re.sub(r"\d", "", near) != re.sub(r"\d", "", name):  # chip_7 is no misspelt chip_6
        return f"; the nearest name that is there is {near!r}"
    return f"; names that are there look like {others[0]!r}" if others else ""

"""The rows of a CSV file, checked; every table is read through here.

UTF-8 with or without a byte order mark, any line ends, quoted fields; columns in any order, separated by commas.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # what is written in place of a comma


@dataclass(frozen=True)
class CsvRows:
    """Cells of one file, row by row; `lines[i]` is the line that row i starts on, the header's being 1."""

    path: Path
    columns: tuple[str, ...]
    lines: list[int]
    cells: list[list[str]]


def read(path: Path, needed: Sequence[str], *, least: int = 1) -> CsvRows:
    """Reads a table that has at least the columns `needed`, and `least` rows.

    Raises:
        ValueError: The file is empty, not UTF-8, separated by something else, ragged, or lacks a column.
    """
    return parse(path, path.read_bytes(), needed, least=least)


def parse(path: Path, content: bytes, needed: Sequence[str], *, least: int = 1) -> CsvRows:
    """As `read`, of bytes that were read from `path`."""
    text = _text(path, content)
    if not text.strip():
        raise ValueError(f"{path} is empty; a table with the columns {','.join(needed)} is needed.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    cells: list[list[str]] = []
    before = 0
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):  # else a blank line
                lines.append(before + 1)
                cells.append(row)
            before = reader.line_num
    except csv.Error as error:
        raise ValueError(f"{path} line {before + 1}: {error}; check the quotes of this row.") from error
    columns = tuple(cell.strip() for cell in cells[0])
    _refuse_header(path, columns, needed)
    ragged = [row for row in range(1, len(cells)) if len(cells[row]) != len(columns)]
    if ragged:
        first = ragged[0]
        raise ValueError(
            f"{path} line {lines[first]}: got {len(cells[first])} fields, needed {len(columns)} as in the header "
            f"({len(ragged)} such rows); commas separate columns, spaces separate tags."
        )
    if len(cells) <= least:
        raise ValueError(f"{path} has a header and no rows; a row for each image is needed.")
    return CsvRows(path, columns, lines[1:], cells[1:])


def column(rows: CsvRows, name: str) -> list[str]:
    """The cells of one column, top to bottom."""
    place = rows.columns.index(name)
    return [cells[place] for cells in rows.cells]


def _text(path: Path, content: bytes) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content
    try:
        if not wide:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the table as CSV in UTF-8."
        ) from error
    raise ValueError(f"{path} is binary or UTF-16; save the table as CSV in UTF-8.")


def _refuse_header(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in columns]
    for separator, spoken in SEPARATORS.items():
        if missing and any(separator in name for name in columns):
            raise ValueError(
                f"{path} line 1: columns are separated by {spoken}, needed commas; save the table as "
                f"comma-separated CSV, starting with {','.join(needed)}."
            )
    if missing:
        raise ValueError(
            f"{path} line 1: the column {missing[0]} is missing; got {_few(columns)}, needed {', '.join(needed)}. "
            "The first line must name the columns."
        )
    repeated = [name for place, name in enumerate(columns) if name in columns[:place]]
    if repeated:
        raise ValueError(f"{path} line 1: the column {repeated[0]!r} stands there twice; remove one of the two.")


def _few(columns: Sequence[str]) -> str:
    return ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")

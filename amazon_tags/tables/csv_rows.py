"""Read the rows of a CSV file and check their form; every table is read through here.

A file is UTF-8 with or without a byte order mark, with any line ends, quoted fields, and columns in any order,
separated by commas. A blank column without a name, and one in front that numbers the rows, as pandas and R
write it, are left out with a remark.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNNAMED = re.compile(r"(Unnamed: \d+(\.\d+)?)?")  # the header of an index column, as pandas writes and as it reads it
FIRST_UNNAMED = re.compile(r"Unnamed: 0(\.\d+)?")  # which was in front when it was read
ROW_NUMBER = re.compile(r"\d+(\.0+)?")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # often written instead of commas


@dataclass(frozen=True)
class CsvRows:
    """The cells of one file, row by row; row i starts on line `lines[i]`, and the header on line 1.

    `remarks` say what was left out.
    """

    path: Path
    columns: tuple[str, ...]
    lines: list[int]
    cells: list[list[str]]
    remarks: tuple[str, ...] = ()


def read(path: Path, required: Sequence[str], *, min_rows: int = 1) -> CsvRows:
    """Read a table that has at least the required columns and `min_rows` rows.

    Raises:
        ValueError: the file is empty, not UTF-8, separated by something else, ragged, or lacks a column.
    """
    return parse(path, path.read_bytes(), required, min_rows=min_rows)


def parse(path: Path, content: bytes, required: Sequence[str], *, min_rows: int = 1) -> CsvRows:
    """As `read`, from bytes; `path` is only named in errors."""
    text = _decode(path, content)
    if not text.strip():
        raise ValueError(f"{path} is empty; a table with the columns {','.join(required)} is needed.")

    lines, cells = _split(path, text)
    columns = tuple(map(plain_header, cells[0]))
    ragged = [row for row in range(1, len(cells)) if len(cells[row]) != len(columns)]
    unnamed = () if ragged else _unnamed(path, columns, lines, cells)
    kept = [position for position in range(len(columns)) if position not in unnamed]
    columns = tuple(columns[position] for position in kept)
    refuse_header(path, columns, required)

    if ragged:
        first = ragged[0]
        raise ValueError(
            f"{path} line {lines[first]}: got {len(cells[first])} fields, needed {len(cells[0])} as in the header "
            f"({len(ragged)} such rows); commas separate columns, spaces separate tags."
        )
    if len(cells) <= min_rows:
        raise ValueError(f"{path} has a header and no rows; a row for each image is needed.")
    remarks = (remark_on_index(len(unnamed)),) if unnamed else ()
    rows = [[row[position] for position in kept] for row in cells[1:]] if unnamed else cells[1:]
    return CsvRows(path, columns, lines[1:], rows, remarks)


def _unnamed(path: Path, columns: tuple[str, ...], lines: list[int], cells: list[list[str]]) -> list[int]:
    """Return the positions of unnamed columns; refuse one that may hold something else than row numbers."""
    unnamed = [position for position, name in enumerate(columns) if UNNAMED.fullmatch(name)]
    for place, position in enumerate(unnamed):
        values = [row[position].strip() for row in cells[1:]]
        if not is_index(columns[position], values, in_front=position == place):
            odd = [row for row, value in enumerate(values) if value and not ROW_NUMBER.fullmatch(value)]
            row = odd[0] if odd else next(filter(values.__getitem__, range(len(values))))
            raise ValueError(
                f"{path} line {lines[row + 1]}: a column without a name holds {values[row]!r}; name the column in "
                "the first line or remove it, and separate tags by spaces."
            )
    return unnamed


def is_index(header: str, values: Sequence[str], *, in_front: bool) -> bool:
    """Return whether a column without a name is blank or numbers the rows: whole numbers, all different.

    Behind other columns, numbers may be tags or scores.
    """
    if not any(values):
        return True
    may_number = in_front or FIRST_UNNAMED.fullmatch(header)
    return bool(may_number) and all(map(ROW_NUMBER.fullmatch, values)) and len(set(map(float, values))) == len(values)


def remark_on_index(count: int) -> str:
    """Return the remark on columns without a name that are left out."""
    return f"{count} columns without a name are left out: row numbers or blanks"


def plain_header(name: str) -> str:
    """Return the name of a column without blanks around it, in Unicode's NFC."""
    return unicodedata.normalize("NFC", name.strip())


def column(rows: CsvRows, name: str) -> list[str]:
    """Return the cells of one column, from top to bottom."""
    position = rows.columns.index(name)
    return [cells[position] for cells in rows.cells]


def _split(path: Path, text: str) -> tuple[list[int], list[list[str]]]:
    """Return the first line and the cells of each row, with the header and without blank lines."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    cells: list[list[str]] = []
    last_line = 0
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                lines.append(last_line + 1)
                cells.append(row)
            last_line = reader.line_num
    except csv.Error as error:
        raise ValueError(f"{path} line {last_line + 1}: {error}; check the quotes of this row.") from error
    return lines, cells


def _decode(path: Path, content: bytes) -> str:
    is_utf16_or_binary = content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content
    try:
        if not is_utf16_or_binary:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path} line {line}: byte 0x{content[error.start]:02x} is not UTF-8; save the table as CSV in UTF-8."
        ) from error
    raise ValueError(f"{path} is binary or UTF-16; save the table as CSV in UTF-8.")


def refuse_header(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    """Raise ValueError if a required column is missing or a column is there twice."""
    missing = [name for name in required if name not in columns]
    for separator, description in SEPARATORS.items():
        if missing and any(separator in name for name in columns):
            raise ValueError(
                f"{path} line 1: columns are separated by {description}, needed commas; save the table as "
                f"comma-separated CSV, starting with {','.join(required)}."
            )
    if missing:
        raise ValueError(
            f"{path} line 1: the column {missing[0]} is missing; got {_first_five(columns)}, "
            f"needed {', '.join(required)}. The first line must name the columns."
        )
    repeated = [name for position, name in enumerate(columns) if name in columns[:position]]
    if repeated:
        raise ValueError(f"{path} line 1: the column {repeated[0]!r} is there twice; remove one of the two.")


def _first_five(columns: Sequence[str]) -> str:
    return ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")

"""One-hot tables: a column for each label, with cells such as 1 and 0 that say whether it holds."""

from collections.abc import Sequence

from amazon_tags.tables.csv_rows import CsvRows

ANSWERS = {"1": True, "true": True, "yes": True, "t": True, "y": True} | {
    "0": False,
    "false": False,
    "no": False,
    "f": False,
    "n": False,
}


def label_columns(table: CsvRows) -> tuple[str, ...]:
    """Return the names of all columns but `image_name`."""
    return tuple(name for name in table.columns if name != "image_name")


def tags_of_rows(table: CsvRows) -> list[list[str]]:
    """Return the labels that hold in each row.

    Raises:
        ValueError: a cell is no answer; the message names its line, column and value.
    """
    positions = {name: table.columns.index(name) for name in label_columns(table)}
    rows: list[list[str]] = []
    wrong: list[tuple[int, str, str]] = []
    for line, cells in zip(table.lines, table.cells, strict=True):
        answers = {name: _answer(cells[position]) for name, position in positions.items()}
        wrong += [(line, name, cells[positions[name]]) for name, answer in answers.items() if answer is None]
        rows.append([name for name, answer in answers.items() if answer])
    if wrong:
        _refuse(table, wrong)
    return rows


def _answer(cell: str) -> bool | None:
    word = cell.strip().casefold()
    if word in ANSWERS:
        return ANSWERS[word]
    try:
        return {0.0: False, 1.0: True}.get(float(word))  # 1.0 and 0.00
    except ValueError:
        return None


def _refuse(table: CsvRows, wrong: Sequence[tuple[int, str, str]]) -> None:
    line, column, cell = wrong[0]
    raise ValueError(
        f"{table.path} line {line}: {column} is {cell!r} ({len(wrong)} such cells); needed 0 or 1, True or False, yes "
        "or no in each column, or a table with the column tags."
    )

"""Pairs of chips of one place at two dates, which a table `image_name,before,after` names: read and found."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.tables import csv_rows
from amazon_tags.tables.csv_rows import CsvRows
from amazon_tags.tables.image_names import image_names, likely_difference
from features.images import listing, naming
from features.images.date_pair import DatePair
from features.images.spec import DATES

COLUMNS = ("image_name", *DATES)


@dataclass(frozen=True)
class DatePairs(Sequence[DatePair]):
    """Pairs in natural order of their names."""

    pairs: tuple[DatePair, ...]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    @overload
    def __getitem__(self, row: int) -> DatePair: ...
    @overload
    def __getitem__(self, row: slice) -> "DatePairs": ...
    def __getitem__(self, row: int | slice) -> "DatePair | DatePairs":
        """Return one pair, or a part of the pairs."""
        return DatePairs(self.pairs[row]) if isinstance(row, slice) else self.pairs[row]

    def take(self, rows: Iterable[int]) -> "DatePairs":
        """Return these rows, in this order."""
        return DatePairs(tuple(self.pairs[row] for row in rows))

    def names(self) -> list[str]:
        """Return the pairs' names in tables."""
        return [pair.name for pair in self.pairs]

    def files(self) -> Iterator[Path]:
        """Yield all files that reading the pairs opens."""
        for pair in self.pairs:
            yield from listing.files_of(pair)


@dataclass(frozen=True)
class _NamedPair:
    """A row of the table: the names of the pair and of its chips, and the line that it starts on."""

    name: str
    chips: tuple[str, str]
    line: int


def list_pairs(
    table: Path, chips: Sequence[Path], *, skip_missing: bool | None = None, required: Sequence[str] = COLUMNS
) -> DatePairs:
    """Return the pairs that a table names, in natural order of their names.

    Args:
        table: a CSV with the columns `image_name`, the pair's name, and `before` and `after`, the names of its chips.
        chips: folders, archives and files that hold the chips of both dates.
        skip_missing: whether to leave out pairs of which a chip is missing instead of raising; None where there is no
            such choice.
        required: the columns that the table must have.

    Raises:
        ValueError: a column is missing, a name is empty or repeated, a pair has the same chip twice, two rows have the
            same chips, or a chip is missing.
    """
    rows = csv_rows.read(table, required)
    named = _named_pairs(rows)
    _refuse_repeated_chips(table, named)

    places = {listing.name(path): path for path in list_chips(chips)}
    whole = [pair for pair in named if all(chip in places for chip in pair.chips)]
    if len(whole) < len(named):
        _report_missing(table, chips, named, list(places), skip_missing)
    found = [DatePair(pair.name, *(places[chip] for chip in pair.chips)) for pair in whole]
    return DatePairs(tuple(sorted(found, key=lambda pair: naming.natural(pair.name))))


def _named_pairs(rows: CsvRows) -> list[_NamedPair]:
    """Return the rows of a table, with plain names; raise ValueError for a name that is empty or cannot be written."""
    names = image_names(rows)
    unwritable = [name for name in names if not naming.writable(name)]
    if unwritable:
        raise ValueError(
            f"{rows.path}: {len(unwritable)} image_names have control characters (first: {unwritable[0]!r}), which a "
            "table of results cannot hold; rename these pairs."
        )
    before, after = (list(map(naming.name, csv_rows.column(rows, date))) for date in DATES)
    for date, column in zip(DATES, (before, after), strict=True):
        empty = [row for row, name in enumerate(column) if not name]
        if empty:
            raise ValueError(
                f"{rows.path} line {rows.lines[empty[0]]}: {date} is empty ({len(empty)} such rows); name the chip, or "
                "take the pair out of the table."
            )
    columns = zip(names, zip(before, after, strict=True), rows.lines, strict=True)
    return [_NamedPair(name, chips, line) for name, chips, line in columns]


def _refuse_repeated_chips(table: Path, named: Sequence[_NamedPair]) -> None:
    """Raise ValueError for a pair of one chip with itself, and for two pairs of the same chips."""
    same = [pair for pair in named if pair.chips[0] == pair.chips[1]]
    if same:
        raise ValueError(
            f"{table} line {same[0].line}: {same[0].name!r} has the chip {same[0].chips[0]!r} twice ({len(same)} such "
            "pairs); name the chips of two dates."
        )
    firsts: dict[tuple[str, ...], _NamedPair] = {}
    repeats = [pair for pair in named if firsts.setdefault(tuple(sorted(pair.chips)), pair) is not pair]
    if repeats:
        first = firsts[tuple(sorted(repeats[0].chips))]
        raise ValueError(
            f"{table} lines {first.line} and {repeats[0].line}: {first.name!r} and {repeats[0].name!r} have the same "
            f"two chips ({len(repeats)} such pairs); keep one of each."
        )


def _report_missing(
    table: Path, chips: Sequence[Path], named: Sequence[_NamedPair], there: Sequence[str], skip_missing: bool | None
) -> None:
    """Report pairs of which a chip is missing; raise ValueError for them unless they may be left out."""
    names = set(there)
    lacking = [(pair, chip) for pair in named for chip in pair.chips if chip not in names]
    count, (pair, chip) = len({pair.name for pair, _ in lacking}), lacking[0]
    problem = (
        f"{count} of {len(named)} pairs of {table} have a chip that is missing from {', '.join(map(str, chips))} "
        f"(first: {pair.name!r} needs {chip!r}){likely_difference(chip, there)}"
    )
    if not skip_missing:
        choice = ", or pass --skip-missing to train without these pairs" if skip_missing is False else ""
        raise ValueError(f"{problem}; add the chips, or take the pairs out of the table{choice}.")
    if count == len(named):
        raise ValueError(f"{problem}; no pair is left: name the folder that holds the chips of both dates.")
    progress.say(f"{problem}; these pairs are left out")

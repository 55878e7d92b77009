"""Repair a table of tags without losing one: what cannot be mended in exactly one way is left as it stands."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amazon_tags.tables import label_tables
from amazon_tags.tables.image_names import dropped, likely_difference, plain_names
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.repair_cells import Note, RepairedCell, ordered, repair_cell
from amazon_tags.tables.tag_rows import TagRows
from ensemble.arrays import Tags


@dataclass(frozen=True)
class CopyRow:
    """A row of a repaired copy.

    Attributes:
        chip: the chip's plain name.
        name: the name as the copy writes it.
        name_notes: what was wrong with the name.
        cell: the tags as the copy writes them, and what was wrong with them.
    """

    chip: str
    name: str
    name_notes: tuple[Note, ...]
    cell: RepairedCell

    def noted(self, *notes: Note) -> "CopyRow":
        """Return the row with more notes on its tags."""
        return replace(self, cell=replace(self.cell, notes=(*self.cell.notes, *notes)))


@dataclass(frozen=True)
class Repair:
    """The rows of a repaired copy, the rows that it leaves out, and notes on rows that it has no place for."""

    rows: list[CopyRow]
    removed: list[CopyRow]
    notes: tuple[Note, ...] = ()


def repair_rows(rows: TagRows, space: LabelSpace, *, like: Path | None = None, join_rows: bool = False) -> Repair:
    """Return the rows of a repaired copy, in the table's order or, with a sample submission `like`, in its order.

    Args:
        rows: the table.
        space: the labels and their rules.
        like: a sample submission, whose rows the table must have, all of them and no others, spelled as there.
        join_rows: join the tags of all rows of an image, as in a table with a row for each tag.

    Raises:
        ValueError: an image name is empty, or the sample submission cannot be read.
    """
    chips = plain_names(rows.path, rows.names, rows.lines)
    spellings: dict[str, str] = {}
    if like:
        spellings = dict(zip(label_tables.read_ids(like), label_tables.read_spellings(like), strict=True))
    copy = [
        CopyRow(chip, *_repair_name(chip, name, like, spellings), repair_cell(cell, chip, space))
        for chip, name, cell in zip(chips, rows.names, rows.cells, strict=True)
    ]

    repair = _join(copy, space) if join_rows else _merge(copy, row_per_tag=rows.has_row_per_tag(chips))
    if like:
        repair = _compare(repair, like, spellings)
    return replace(repair, rows=_note_breaches(repair.rows, space))


def _repair_name(chip: str, name: str, like: Path | None, spellings: Mapping[str, str]) -> tuple[str, tuple[Note, ...]]:
    """Return the name of a copy's row, plain or as the sample submission spells it, and notes on the table's name."""
    if chip not in spellings:
        return chip, tuple(Note(change, repr(name), "the plain name") for change in dropped(name))
    spelling = spellings[chip]
    if name == spelling:
        return spelling, ()
    return spelling, (Note(f"a name spelled otherwise than in {like}", repr(name), f"written as {spelling!r}"),)


def _merge(rows: Sequence[CopyRow], *, row_per_tag: bool) -> Repair:
    """Leave out a row that repeats another of its image; leave rows of one image that have different tags."""
    problem = "a repeated row with other tags"
    if row_per_tag:
        problem += " (the table seems to have a row for each tag: --join-rows joins them)"
    kept: list[CopyRow] = []
    removed: list[CopyRow] = []
    tags_of_chip: dict[str, list[frozenset[str]]] = defaultdict(list)
    for row in rows:
        tags, earlier = frozenset(row.cell.words), tags_of_chip[row.chip]
        if tags in earlier:
            removed.append(row.noted(Note("a repeated row", row.chip, "written once")))
            continue
        kept.append(row.noted(Note(problem, row.chip, "left as it is", left=True)) if earlier else row)
        earlier.append(tags)
    return Repair(kept, removed)


def _join(rows: Sequence[CopyRow], space: LabelSpace) -> Repair:
    """Join the tags of all rows of an image into its first row, in no order of rows."""
    rows_of_chip: dict[str, list[CopyRow]] = defaultdict(list)
    for row in rows:
        rows_of_chip[row.chip].append(row)
    return Repair([row for rows_of_one in rows_of_chip.values() for row in _join_chip(rows_of_one, space)], [])


def _join_chip(rows: Sequence[CopyRow], space: LabelSpace) -> list[CopyRow]:
    """Return one row with all tags, and behind them the cells that are left; or the rows as they are.

    Words of two rows are no tag together, such as slash and burn: if the joined cell reads so, it is not joined.
    """
    left = {row.cell.text for row in rows if row.cell.is_left}
    tags = {tag for row in rows if not row.cell.is_left for tag in row.cell.words}
    text = " ".join([*ordered(tags, space), *sorted(left)])
    if len(rows) == 1 or (left and not repair_cell(text, rows[0].chip, space).is_left):
        return list(rows)

    cell = RepairedCell(
        text,
        tuple(text.split()),
        notes=tuple(note for row in rows for note in row.cell.notes),
        tags_before=sum(row.cell.tags_before for row in rows),
    )
    return [replace(rows[0], name_notes=tuple(note for row in rows for note in row.name_notes), cell=cell)]


def _compare(repair: Repair, like: Path, spellings: Mapping[str, str]) -> Repair:
    """Return the rows of a sample submission, or the table's own if some may be the same chips by other names."""
    chips = {row.chip for row in repair.rows}
    missing = [chip for chip in spellings if chip not in chips]
    surplus = [row for row in repair.rows if row.chip not in spellings]
    if missing and surplus:
        difference = likely_difference(missing[0], [row.chip for row in surplus])
        note = Note(f"missing, but in {like}", f"{missing[0]}{difference}", "left out", left=True)
        alien = Note(f"not in {like}", "", "left as it is", left=True)
        rows = [row if row.chip in spellings else row.noted(replace(alien, example=row.chip)) for row in repair.rows]
        return Repair(rows, repair.removed, (note,) * len(missing))

    added = [
        CopyRow(
            chip,
            spellings[chip],
            (),
            RepairedCell("", (), (Note(f"missing, but in {like}", chip, "added without tags"),), 0),
        )
        for chip in missing
    ]
    removed = [row.noted(Note(f"not in {like}", row.chip, "left out")) for row in surplus]
    places = {chip: place for place, chip in enumerate(spellings)}
    rows = [row for row in repair.rows if row.chip in spellings] + added
    return Repair(sorted(rows, key=lambda row: places[row.chip]), [*repair.removed, *removed])


def _note_breaches(rows: Sequence[CopyRow], space: LabelSpace) -> list[CopyRow]:
    """Return the rows with a note for each rule that they break; rows that contradict others are not compared."""
    times = Counter(row.chip for row in rows)
    matrices: list[Tags] = []
    for mark in ("", "?"):
        matrix = np.zeros((len(rows), len(space.names)), np.bool_)
        for number, row in enumerate(rows):
            matrix[number] = [f"{name}{mark}" in row.cell.words for name in space.names]
        matrices.append(matrix)

    noted = list(rows)
    for rule, broken in label_tables.breaches(space, *matrices).items():
        for number in broken:
            is_unread = rule == "no tags" and rows[number].cell.words  # its words are unknown tags
            if times[rows[number].chip] == 1 and not is_unread:
                noted[number] = noted[number].noted(Note(rule, rows[number].chip, "left as it is", left=True))
    return noted

"""Read which tags each chip has: label tables, submissions, one-hot tables and folders with a subfolder for each class.

This is the one reader of the ground truth, for `train`, `tune`, `evaluate` and `retrain`. What it reads otherwise than
it is written, it counts in remarks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.tables import csv_rows, label_tables, tag_cells, tag_rows
from amazon_tags.tables.columns import refuse_columns
from amazon_tags.tables.image_names import name_remarks, plain_names, refuse_repeats
from amazon_tags.tables.labels import PLANET, LabelSpace
from amazon_tags.tables.mend import mend
from amazon_tags.tables.repair_cells import read_cell
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.tables.tag_rows import TagRows
from ensemble.arrays import Tags

JOIN_ADVICE = (
    "the table seems to have a row for each tag: pass --join-rows to join them (join_rows = true in a retraining job)"
)

OPPOSITE = re.compile(r"^(no|not|non|un|without)[-_]?|less$", re.IGNORECASE)  # no label is suggested for its opposite


@dataclass(frozen=True)
class LabelTable:
    """A label table.

    Attributes:
        ids: image names, in the order of the table.
        truth: which tags hold (chips, labels).
        space: the labels.
        remarks: what was read otherwise than written, and for each rule that rows break, how many do, and the first.
        unknown: tags written as `tag?` (chips, labels): not known to hold or not, and false in `truth`.
    """

    ids: list[str]
    truth: Tags
    space: LabelSpace
    remarks: tuple[str, ...]
    unknown: Tags

    def report(self, path: Path) -> None:
        """Report the remarks as messages of the run."""
        for remark in self.remarks:
            progress.say(f"{path}: {remark}")


def read_truth(path: Path, space: LabelSpace, *, allow_unknown: bool = False, join_rows: bool = False) -> LabelTable:
    """Read a table `image_name,tags`, a one-hot table, or a folder with a subfolder of chips for each class.

    Tags are separated by spaces, or by another character if all that it separates are labels. A cell such as `nan` has
    no tags. Repeated tags, rows without tags and rows that break the rules of the label space are kept and counted in
    the remarks: the competition's own table has such rows.

    Args:
        path: the table or folder.
        space: the labels.
        allow_unknown: accept `tag?` for a tag of which it is not known whether it holds.
        join_rows: join the tags of all rows of an image, as in a table with a row for each tag.

    Raises:
        ValueError: a tag is not a label, a label has no column, an image is repeated, or `tag_rows.read` refuses the
            table.
    """
    rows = tag_rows.read(path)
    refuse_other_columns(rows, space)
    ids = plain_names(path, rows.names, rows.lines)
    truth, unknown, rows_by_remark = _parse(rows, space, allow_unknown=allow_unknown)
    remarks = [*rows.remarks, *name_remarks(rows.names), *_counted(rows, ids, rows_by_remark)]

    images = len(set(ids))
    if images < len(ids):
        if not join_rows:
            advice = JOIN_ADVICE if rows.has_row_per_tag(ids) else "keep one of each"
            refuse_repeats(str(path), ids, rows.lines, advice=advice)
        remarks.append(f"{len(ids)} rows are joined to {images}, one for each image")
        rows, ids, truth, unknown = _join(rows, ids, truth, unknown)

    unknown &= ~truth
    remarks += _counted(rows, ids, label_tables.breaches(space, truth, unknown))
    return LabelTable(ids, truth, space, tuple(remarks), unknown)


def refuse_other_columns(rows: TagRows, space: LabelSpace) -> None:
    """Raise ValueError unless the columns of a one-hot table are the labels; any table may have a column of tags."""
    if rows.columns is None or rows.lines is None:
        return
    if not any(mend(column, space.names) for column in rows.columns):
        csv_rows.refuse_header(rows.path, ("image_name", *rows.columns), ("image_name", "tags"))
    refuse_columns(rows.path, rows.columns, space)


def _parse(rows: TagRows, space: LabelSpace, *, allow_unknown: bool) -> tuple[Tags, Tags, dict[str, list[int]]]:
    """Return which tags hold, which are unknown, and the rows to remark on by remark."""
    columns = {name: column for column, name in enumerate(space.names)}
    known = {*columns, *(f"{name}?" for name in columns if allow_unknown)}
    truth, unknown = np.zeros((2, len(rows.cells), len(columns)), dtype=np.bool_)
    rows_by_remark: dict[str, list[int]] = {"a tag repeated": []}
    not_labels: list[tuple[int, str]] = []

    def split(word: str) -> tuple[str, list[str]] | None:
        if rows.columns is not None:  # the name of a column or folder is one label
            return None
        return tag_cells.split_word(word, lambda part: part if part in known else None, space.names)

    for row, cell in enumerate(rows.cells):
        if tag_cells.is_empty(cell, lambda word: mend(word, space.names)):
            if cell.strip():
                rows_by_remark.setdefault(f"{cell.strip()} for no tags", []).append(row)
            continue
        tags: list[str] = []
        for word in cell.split():
            separator, words = (None, [word]) if word in known else split(word) or (None, [])
            if separator:
                rows_by_remark.setdefault(f"tags separated by {separator!r}", []).append(row)
            elif not words:
                not_labels.append((row, word))
            tags += words
        if len(set(tags)) < len(tags):
            rows_by_remark["a tag repeated"].append(row)
        for tag in tags:
            matrix = truth if tag in columns else unknown
            matrix[row, columns[tag if tag in columns else tag[:-1]]] = True

    if not_labels:
        _refuse_tags(rows, space, not_labels)
    return truth, unknown, rows_by_remark


def _refuse_tags(rows: TagRows, space: LabelSpace, not_labels: Sequence[tuple[int, str]]) -> None:
    row, word = not_labels[0]
    is_mended = {row: read_cell(rows.cells[row], "", space) is not None for row, _ in not_labels}
    if word.endswith("?") and word[:-1] in space.names:
        advice = "A question mark, for a tag of which it is not known whether it holds, is taken by train only."
    elif all(is_mended.values()):
        advice = "amazon_tags check --repair mends them."
    elif tag_cells.separators_in(word) or tag_cells.other_marks(word):
        advice = "Separate tags by spaces."
    elif space == PLANET:
        advice = "For other labels pass --labels table, or a TOML file."
    else:
        advice = "Correct the tags, or name all labels in a TOML file for --labels."
    is_part = is_mended[row] and mend(word, space.names) is None  # of a label that is written with a blank
    near = "" if is_part or OPPOSITE.search(word) else did_you_mean(word, space.names)
    raise ValueError(
        f"{rows.path} {rows.place(row)}: {word!r} is not a label of {space.name!r}{near}; "
        f"{len({row for row, _ in not_labels})} of {len(rows.cells)} rows have such tags. {advice}"
    )


def _join(rows: TagRows, ids: Sequence[str], truth: Tags, unknown: Tags) -> tuple[TagRows, list[str], Tags, Tags]:
    """Return one row for each image, in the order of their first rows, with the tags of all its rows."""
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        first.setdefault(name, row)
    numbers = {name: number for number, name in enumerate(first)}
    target = [numbers[name] for name in ids]
    joined_truth, joined_unknown = np.zeros((2, len(first), truth.shape[1]), dtype=np.bool_)
    np.logical_or.at(joined_truth, target, truth)
    np.logical_or.at(joined_unknown, target, unknown)
    return rows.take(list(first.values())), list(first), joined_truth, joined_unknown


def _counted(rows: TagRows, ids: Sequence[str], rows_by_problem: Mapping[str, Sequence[int]]) -> list[str]:
    """Return a remark for each problem that some rows have."""
    remarks = []
    for problem, found in rows_by_problem.items():
        if found:
            numbers = list(dict.fromkeys(found))
            first = f"{ids[numbers[0]]}, {rows.place(numbers[0])}"
            remarks.append(f"{len(numbers)} of {len(ids)} rows: {problem} (first: {first})")
    return remarks

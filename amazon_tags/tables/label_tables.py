"""Label tables and submissions, `image_name,tags`: read, checked and written.

Tables of groups and sample submissions are read here too.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.columns import parse_matrix, refuse_columns, refuse_shape
from amazon_tags.tables.csv_rows import CsvRows
from amazon_tags.tables.image_names import image_names, refuse_repeats, select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from ensemble.arrays import Tags


@dataclass(frozen=True)
class LabelTable:
    """A label table.

    Attributes:
        ids: image names, in the order of the table.
        truth: which tags hold (chips, labels).
        space: the labels.
        remarks: for each rule that rows break, how many do, and the first.
        unknown: tags written as `tag?` (chips, labels): not known to hold or not, and false in `truth`.
    """

    ids: list[str]
    truth: Tags
    space: LabelSpace
    remarks: tuple[str, ...]
    unknown: Tags


def read_labels(path: Path, space: LabelSpace, *, allow_unknown: bool = False) -> LabelTable:
    """Read a table `image_name,tags`, with tags separated by spaces.

    Repeated tags, rows without tags and rows that break the rules of the label space are kept and counted in the
    remarks: the competition's own table has such rows.

    Args:
        path: the table.
        space: the labels.
        allow_unknown: accept `tag?` for a tag of which it is not known whether it holds.

    Raises:
        ValueError: a tag is not a label, an image is repeated, or `csv_rows.read` refuses the file.
    """
    table = csv_rows.read(path, ("image_name", "tags"))
    ids = image_names(table)
    truth, unknown, repeating = _parse_tags(table, space, allow_unknown=allow_unknown)

    rows_by_problem = {"a tag repeated": repeating, **breaches(space, truth)}
    remarks = tuple(
        f"{len(rows)} of {len(ids)} rows: {problem} (first: {ids[rows[0]]}, line {table.lines[rows[0]]})"
        for problem, rows in rows_by_problem.items()
        if rows
    )
    return LabelTable(ids, truth, space, remarks, unknown & ~truth)


def _parse_tags(table: CsvRows, space: LabelSpace, *, allow_unknown: bool) -> tuple[Tags, Tags, list[int]]:
    """Return which tags hold, which are unknown, and the rows that repeat a tag."""
    columns = {name: column for column, name in enumerate(space.names)}
    truth, unknown = np.zeros((2, len(table.cells), len(columns)), dtype=np.bool_)
    repeating: list[int] = []
    not_labels: list[tuple[int, str]] = []

    for row, cell in enumerate(csv_rows.column(table, "tags")):
        tags = cell.split()
        if len(set(tags)) < len(tags):
            repeating.append(row)
        for tag in tags:
            if tag in columns:
                truth[row, columns[tag]] = True
            elif allow_unknown and tag[-1] == "?" and tag[:-1] in columns:
                unknown[row, columns[tag[:-1]]] = True
            else:
                not_labels.append((row, tag))

    if not_labels:
        row, tag = not_labels[0]
        separated = any(mark in tag for mark in ",;|/")
        raise ValueError(
            f"{table.path} line {table.lines[row]}: {tag!r} is not a label of {space.name!r}"
            f"{did_you_mean(tag, space.names)}; "
            f"{len({row for row, _ in not_labels})} of {len(table.cells)} rows have such tags. "
            + ("Separate tags by spaces." if separated else "For other labels pass --labels table, or a TOML file.")
        )
    return truth, unknown, repeating


def read_truth(path: Path, space: LabelSpace) -> LabelTable:
    """Read a label table or, if it has no column `tags`, a one-hot table: a column of 0 and 1 for each label.

    Raises:
        ValueError: a cell of a one-hot table is not 0 or 1, a label has no column, or `read_labels` refuses the file.
    """
    table = csv_rows.read(path, ("image_name",))
    if "tags" in table.columns:
        return read_labels(path, space)
    ids, matrix, columns = parse_matrix(path, path.read_bytes())
    refuse_columns(path, columns, space)
    wrong = np.argwhere((matrix != 0) & (matrix != 1))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{path} line {table.lines[row]}: {columns[column]} is {matrix[row, column]:g} ({len(wrong)} such cells); "
            "needed 0 or 1, or a table with the column tags."
        )
    truth = matrix[:, select(columns, space.names)] == 1
    return LabelTable(ids, truth, space, (), np.zeros_like(truth))


def read_ids(path: Path) -> list[str]:
    """Return the image names of any table, such as the sample submission, in its order."""
    return image_names(csv_rows.read(path, ("image_name",)))


def read_groups(path: Path, ids: Sequence[str]) -> NDArray[np.str_]:
    """Return the group of each chip (chips,), from a table `image_name,group`, which may have more chips.

    Raises:
        ValueError: the table has no group, or two, for a chip.
    """
    table = csv_rows.read(path, ("image_name", "group"))
    groups = dict(zip(image_names(table), csv_rows.column(table, "group"), strict=True))
    missing = [name for name in ids if name not in groups]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(ids)} chips have no group in {path} (first: {missing[0]}); give each a row."
        )
    return np.array([groups[name] for name in ids])


def write_tags(stream: TextIO, ids: Sequence[str], tags: Tags, space: LabelSpace, *, header: bool = True) -> None:
    """Write a submission `image_name,tags`, or more rows of one, with tags in the order of the label space.

    Raises:
        ValueError: `tags` is not a boolean matrix (chips, labels), or a chip is repeated.
    """
    if np.asarray(tags).dtype != np.bool_:
        raise ValueError(f"Got tags of {np.asarray(tags).dtype}, needed bool; apply a decision to the scores first.")
    refuse_shape("tags", tags, ids, space)
    refuse_repeats("The chips to write", ids)

    names = np.array(space.names, dtype=object)
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(("image_name", "tags"))
    writer.writerows((name, " ".join(names[row])) for name, row in zip(ids, tags, strict=True))


def breaches(space: LabelSpace, truth: Tags) -> dict[str, list[int]]:
    """Return the rows that break each rule; a row without tags breaks the rule `no tags` only."""
    tags = truth.sum(axis=1)
    broken = {"no tags": tags == 0}
    for group in space.groups:
        tags_of_group = truth[:, select(space.names, group)].sum(axis=1)
        broken[f"none of {', '.join(group)}"] = (tags_of_group == 0) & (tags > 0)
        broken[f"more than one of {', '.join(group)}"] = tags_of_group > 1
    for name in space.alone:
        broken[f"{name} together with other tags"] = truth[:, space.names.index(name)] & (tags > 1)
    return {rule: np.flatnonzero(rows).tolist() for rule, rows in broken.items()}

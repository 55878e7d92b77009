"""Label tables, submissions and score tables, in and out, checked.

`image_name` is what `features.naming` calls a chip; image suffixes that stand in a table are dropped.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.columns import image_names, parse_matrix, refuse_columns, refuse_repeats, refuse_shape, select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from ensemble.arrays import Tags


@dataclass(frozen=True)
class LabelTable:
    """A label table as people left it; `remarks` says how often its rows break a rule.

    `doubts` (chips, labels) are tags of which somebody wrote `tag?`: nobody knows, and `truth` does not hold.
    """

    ids: list[str]
    truth: Tags
    space: LabelSpace
    remarks: tuple[str, ...]
    unknown: Tags


def read_labels(path: Path, space: LabelSpace, *, allow_unknown: bool = False) -> LabelTable:
    """Reads `image_name,tags`, tags separated by spaces; where `doubting` is allowed, `tag?` is one nobody knows.

    Repeated tags, rows without tags and rows that break the space's rules are kept and counted in the remarks: the
    competition's own table has them.

    Raises:
        ValueError: An unknown tag, a repeated image, or whatever `rows.read` refuses.
    """
    table = csv_rows.read(path, ("image_name", "tags"))
    ids = image_names(table)
    places = {name: place for place, name in enumerate(space.names)}
    truth, unknown = np.zeros((2, len(ids), len(places)), dtype=np.bool_)
    repeating: list[int] = []
    not_labels: list[tuple[int, str]] = []
    for row, cell in enumerate(csv_rows.column(table, "tags")):
        tags = cell.split()
        if len(set(tags)) < len(tags):
            repeating.append(row)
        for tag in tags:
            if tag in places:
                truth[row, places[tag]] = True
            elif allow_unknown and tag[-1] == "?" and tag[:-1] in places:
                unknown[row, places[tag[:-1]]] = True
            else:
                not_labels.append((row, tag))
    if not_labels:
        row, tag = not_labels[0]
        separated = any(mark in tag for mark in ",;|/")
        raise ValueError(
            f"{path} line {table.lines[row]}: {tag!r} is no label of {space.name!r}"
            f"{did_you_mean(tag, space.names)}; "
            f"{len({row for row, _ in not_labels})} of {len(ids)} rows have such tags. "
            + ("Separate tags by spaces." if separated else "For other labels pass --labels table, or a TOML file.")
        )
    cases = {"a tag repeated": repeating, **breaches(space, truth)}
    remarks = tuple(
        f"{len(found)} of {len(ids)} rows: {what} (first: {ids[found[0]]}, line {table.lines[found[0]]})"
        for what, found in cases.items()
        if found
    )
    return LabelTable(ids, truth, space, remarks, unknown & ~truth)


def read_truth(path: Path, space: LabelSpace) -> LabelTable:
    """Reads a label table or, where it has no column `tags`, a one-hot CSV: `image_name`, and 0 or 1 a label."""
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
    """The `image_name` column of any table, such as the sample submission, in its order."""
    return image_names(csv_rows.read(path, ("image_name",)))


def read_groups(path: Path, ids: Sequence[str]) -> NDArray[np.str_]:
    """The group (chips,) of each of the chips, from a table `image_name,group`, which may hold others too.

    Raises:
        ValueError: A chip has no group there, or two.
    """
    table = csv_rows.read(path, ("image_name", "group"))
    known = dict(zip(image_names(table), csv_rows.column(table, "group"), strict=True))
    missing = [name for name in ids if name not in known]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(ids)} chips have no group in {path} (first: {missing[0]}); give each a row."
        )
    return np.array([known[name] for name in ids])


def write_tags(stream: TextIO, ids: Sequence[str], tags: Tags, space: LabelSpace, *, header: bool = True) -> None:
    """Writes a submission, or more rows of one: `image_name,tags`, tags in the space's order, separated by a space."""
    if np.asarray(tags).dtype != np.bool_:
        raise ValueError(f"Got tags of {np.asarray(tags).dtype}, needed bool; decide on the scores first.")
    refuse_shape("tags", tags, ids, space)
    refuse_repeats("The chips to write", ids)
    names = np.array(space.names, dtype=object)
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(("image_name", "tags"))
    writer.writerows((name, " ".join(names[row])) for name, row in zip(ids, tags, strict=True))


def breaches(space: LabelSpace, truth: Tags) -> dict[str, list[int]]:
    """Rows that break a rule, by rule; a row without tags breaks that one only."""
    count = truth.sum(axis=1)
    breach = {"no tags": count == 0}
    for group in space.groups:
        held = truth[:, select(space.names, group)].sum(axis=1)
        breach[f"none of {', '.join(group)}"] = (held == 0) & (count > 0)
        breach[f"more than one of {', '.join(group)}"] = held > 1
    for name in space.alone:
        breach[f"{name} together with other tags"] = truth[:, space.names.index(name)] & (count > 1)
    return {what: np.flatnonzero(broken).tolist() for what, broken in breach.items()}

"""Label tables and submissions, `image_name,tags`: written, and compared with the rules of a label space.

Tables of groups and sample submissions are read here; `truth_tables` reads tags.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.tables import csv_rows
from amazon_tags.tables.columns import refuse_shape
from amazon_tags.tables.image_names import image_names, likely_difference, refuse_repeats, select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.tag_cells import is_empty
from ensemble.arrays import Tags


def read_ids(path: Path) -> list[str]:
    """Return the image names of any table, such as the sample submission, in its order."""
    return image_names(csv_rows.read(path, ("image_name",)))


def read_spellings(path: Path) -> list[str]:
    """Return the image names of a sample submission as they stand in it, such as with a suffix, in its order."""
    return csv_rows.column(csv_rows.read(path, ("image_name",)), "image_name")


def read_groups(path: Path, ids: Sequence[str]) -> NDArray[np.str_]:
    """Return the group of each chip (chips,), from a table `image_name,group`, which may have more chips.

    A chip with a blank cell, or a word such as `nan`, is a group by itself.

    Raises:
        ValueError: the table has no row, or two, for a chip.
    """
    table = csv_rows.read(path, ("image_name", "group"))
    groups = dict(zip(image_names(table), map(str.strip, csv_rows.column(table, "group")), strict=True))
    missing = [name for name in ids if name not in groups]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(ids)} chips have no group in {path} (first: {missing[0]})"
            f"{likely_difference(missing[0], list(groups))}; give each a row."
        )
    blank = [name for name in ids if is_empty(groups[name], lambda _: None)]
    if blank:
        progress.say(
            f"{path}: {len(blank)} of {len(ids)} chips have a blank group, and each is a group by itself "
            f"(first: {blank[0]})"
        )
        groups |= {name: f"\0{name}" for name in blank}  # which no table can hold, so it is no other group's name
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


def breaches(space: LabelSpace, truth: Tags, unknown: Tags | None = None) -> dict[str, list[int]]:
    """Return the rows that break each rule.

    A row without tags breaks the rule `no tags` only, and only in a label space with groups, of which one label must
    hold. A tag that is unknown may be the missing one.
    """
    possible = truth if unknown is None else truth | unknown
    tags = truth.sum(axis=1)
    broken = {"no tags": ~possible.any(axis=1)} if space.groups else {}
    for group in space.groups:
        columns = select(space.names, group)
        broken[f"none of {', '.join(group)}"] = ~possible[:, columns].any(axis=1) & possible.any(axis=1)
        broken[f"more than one of {', '.join(group)}"] = truth[:, columns].sum(axis=1) > 1
    for name in space.alone:
        broken[f"{name} together with other tags"] = truth[:, space.names.index(name)] & (tags > 1)
    return {rule: np.flatnonzero(rows).tolist() for rule, rows in broken.items()}

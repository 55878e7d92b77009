"""Corrections: what somebody knows better than the label tables, tag by tag, with where each comes from.

    image_name,tag,holds
    train_12,road,yes
    train_12,mine,no

Columns beyond these three, such as who said so and when, are theirs who keep the file. Of two rows on one tag the later
one counts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags import files, labels, rows
from features import naming

ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True)
class Correction:
    """One row of the file."""

    chip: str
    tag: str
    holds: bool


def read(path: Path, space: labels.LabelSpace) -> list[Correction]:
    """The rows of a corrections file.

    Raises:
        ValueError: an unknown tag, an answer that is neither yes nor no, or whatever `rows.read` refuses.
    """
    table = rows.read(path, ("image_name", "tag", "holds"))
    columns = (rows.column(table, name) for name in ("image_name", "tag", "holds"))
    made = []
    for line, (chip, tag, answer) in zip(table.lines, zip(*columns, strict=True), strict=True):
        if tag.strip() not in space.names:
            near = labels.did_you_mean(tag.strip(), space.names)
            raise ValueError(f"{path} line {line}: {tag!r} is no label of {space.name!r}{near}.")
        if answer.strip().lower() not in ANSWERS:
            raise ValueError(f"{path} line {line}: holds is {answer!r}, but must be yes or no.")
        made.append(Correction(naming.name(chip), tag.strip(), ANSWERS[answer.strip().lower()]))
    return made


def apply(
    path: Path, space: labels.LabelSpace, ids: list[str], truth: NDArray[np.bool_], doubts: NDArray[np.bool_]
) -> dict[str, Any]:
    """Write the corrections of a file into `truth` and `doubts` (chips, labels), in place.

    Returns:
        What a run tells of them: the file's hash, how many changed a tag, agreed, or named a chip that is not here.
    """
    places = {name: row for row, name in enumerate(ids)}
    counts = {"changed": 0, "agreed": 0, "elsewhere": 0}
    for correction in read(path, space):
        row, column = places.get(correction.chip), space.names.index(correction.tag)
        if row is None:
            counts["elsewhere"] += 1
            continue
        same = truth[row, column] == correction.holds and not doubts[row, column]
        counts["agreed" if same else "changed"] += 1
        truth[row, column], doubts[row, column] = correction.holds, False
    return {"file": path.name, "sha256": files.sha256(path), **counts}

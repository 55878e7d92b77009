"""Corrections: what somebody knows better than the label tables, tag by tag, with where each comes from.

    image_name,tag,holds
    train_12,road,yes
    train_12,mine,no

Columns beyond these three, such as who said so and when, are theirs who keep the file. Of two rows on one tag the later
one counts. Chips of one content are one chip, so a correction of one of them is of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from features.images import naming

ANSWERS = {"yes": True, "no": False}


@dataclass(frozen=True)
class Correction:
    """One row of the file."""

    chip: str
    tag: str
    holds: bool


def read(path: Path, space: LabelSpace) -> list[Correction]:
    """The rows of a corrections file.

    Raises:
        ValueError: an unknown tag, an answer that is neither yes nor no, or whatever `rows.read` refuses.
    """
    table = csv_rows.read(path, ("image_name", "tag", "holds"), least=0)
    columns = (csv_rows.column(table, name) for name in ("image_name", "tag", "holds"))
    made = []
    for line, (chip, tag, answer) in zip(table.lines, zip(*columns, strict=True), strict=True):
        if tag.strip() not in space.names:
            near = did_you_mean(tag.strip(), space.names)
            raise ValueError(f"{path} line {line}: {tag!r} is no label of {space.name!r}{near}.")
        if answer.strip().lower() not in ANSWERS:
            raise ValueError(f"{path} line {line}: holds is {answer!r}, but must be yes or no.")
        made.append(Correction(naming.name(chip.strip()), tag.strip(), ANSWERS[answer.strip().lower()]))
    return made


def apply(
    made: Sequence[Correction],
    space: LabelSpace,
    chips: Mapping[str, str],
    truth: NDArray[np.bool_],
    unknown: NDArray[np.bool_],
) -> dict[str, int]:
    """Write corrections into `truth` and `doubts` (chips, labels), in place.

    Args:
        made: what `read` gave.
        space: the labels.
        chips: name to content of each chip, in the order of the rows.
        truth: to be corrected.
        unknown: which go where somebody knows.

    Returns:
        How many changed a tag, agreed, or named a chip that is not here.
    """
    alike: dict[str, list[int]] = {}
    for row, digest in enumerate(chips.values()):
        alike.setdefault(digest, []).append(row)
    counts = {"changed": 0, "agreed": 0, "elsewhere": 0}
    for correction in made:
        column = space.names.index(correction.tag)
        if correction.chip not in chips:
            counts["elsewhere"] += 1
            continue
        rows = alike[chips[correction.chip]]
        same = (truth[rows, column] == correction.holds).all() and not unknown[rows, column].any()
        counts["agreed" if same else "changed"] += 1
        truth[rows, column], unknown[rows, column] = correction.holds, False
    return counts

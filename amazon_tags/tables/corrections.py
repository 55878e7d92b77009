"""Corrections of label tables, one tag of one chip at a time.

    image_name,tag,holds,reviewer,time
    train_12,road,yes,Ana,2026-11-27T09:30:00Z
    train_12,mine,no,Ana,2026-11-27T09:30:04Z

The columns `reviewer` and `time` may be missing, and others are ignored. If two rows correct the same tag of a chip,
the later one counts. Chips with the same content are one chip: a correction of one of them applies to all.
"""

import csv
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from amazon_tags.tables import csv_rows
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import did_you_mean
from ensemble.arrays import Tags
from features.images import naming

ANSWERS = {"yes": True, "no": False}
COLUMNS = ("image_name", "tag", "holds", "reviewer", "time")
REQUIRED = COLUMNS[:3]


@dataclass(frozen=True)
class Correction:
    """One row of the file: whether a tag holds on a chip, who said so, and when; the last two may be empty."""

    chip: str
    tag: str
    holds: bool
    reviewer: str = ""
    time: str = ""


def read(path: Path, space: LabelSpace) -> list[Correction]:
    """Read a corrections file, which may have no rows yet.

    Raises:
        ValueError: a tag is unknown, an answer is neither yes nor no, or `csv_rows.read` refuses the file.
    """
    table = csv_rows.read(path, REQUIRED, min_rows=0)
    nothing = [""] * len(table.lines)
    columns = [csv_rows.column(table, name) if name in table.columns else nothing for name in COLUMNS]

    corrections = []
    for line, (chip, cell, answer, reviewer, time) in zip(table.lines, zip(*columns, strict=True), strict=True):
        tag = unicodedata.normalize("NFC", cell.strip())
        if tag not in space.names:
            near = did_you_mean(tag, space.names)
            raise ValueError(f"{path} line {line}: {cell!r} is not a label of {space.name!r}{near}.")
        if answer.strip().lower() not in ANSWERS:
            raise ValueError(f"{path} line {line}: holds is {answer!r}, but must be yes or no.")
        corrections.append(Correction(naming.name(chip), tag, ANSWERS[answer.strip().lower()], reviewer, time))
    return corrections


def write(stream: TextIO, corrections: Sequence[Correction]) -> None:
    """Write a corrections file, which `read` reads back."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in corrections:
        writer.writerow((row.chip, row.tag, "yes" if row.holds else "no", row.reviewer, row.time))


def apply(
    corrections: Sequence[Correction],
    space: LabelSpace,
    chips: Mapping[str, str],
    truth: Tags,
    unknown: Tags,
) -> dict[str, int]:
    """Write corrections into `truth` and `unknown` (chips, labels), in place.

    Args:
        corrections: from `read`; later ones count.
        space: the labels, in the order of the columns.
        chips: chip name to the hash of its content, in the order of the rows.
        truth: which tags hold.
        unknown: which tags are not known; a corrected tag is.

    Returns:
        How many corrections changed a tag (`changed`), found it right (`agreed`) or name no chip of `chips`
        (`elsewhere`).
    """
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(chips.values()):
        rows_of.setdefault(digest, []).append(row)

    counts = {"changed": 0, "agreed": 0, "elsewhere": 0}
    for correction in corrections:
        column = space.names.index(correction.tag)
        if correction.chip not in chips:
            counts["elsewhere"] += 1
            continue
        rows = rows_of[chips[correction.chip]]
        agrees = (truth[rows, column] == correction.holds).all() and not unknown[rows, column].any()
        counts["agreed" if agrees else "changed"] += 1
        truth[rows, column], unknown[rows, column] = correction.holds, False
    return counts

"""Check a label table or a submission against the rules of a label space, and write a repaired copy."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags.files import atomic
from amazon_tags.tables import csv_rows, label_tables, labels
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import nearest
from features.images import naming

Note = Callable[[str, str, str], None]  # takes a problem, the chip that has it, and its repair


@dataclass(frozen=True)
class Finding:
    """One kind of problem in a table.

    Attributes:
        problem: what is wrong.
        count: how often.
        first: the first chip that has it.
        repair: what a repaired copy has instead.
    """

    problem: str
    count: int
    first: str
    repair: str


def check_table(
    table: Path, space: LabelSpace, *, like: Path | None = None, repaired: Path | None = None
) -> list[Finding]:
    """Return every kind of problem in a table `image_name,tags`.

    Args:
        table: the table to check.
        space: the labels and their rules.
        like: a sample submission; the table must have its rows, all of them and no others.
        repaired: where to write a repaired copy. A tag that is close to a label becomes that label, other unknown tags
            are dropped; of repeated rows the first is kept; the rows become those of `like`. A broken rule is repaired
            only if there is one way: tags beside a label that must be alone are dropped, but of two labels of a group
            both stay.

    Raises:
        ValueError: the file is not a table with these columns.
    """
    rows = csv_rows.read(table, ("image_name", "tags"))
    chips = [naming.name(cell) for cell in csv_rows.column(rows, "image_name")]
    chips_by_problem: dict[str, list[str]] = {}
    repairs: dict[str, str] = {}

    def note(problem: str, chip: str, repair: str) -> None:
        chips_by_problem.setdefault(problem, []).append(chip)
        repairs[problem] = repair

    tags_by_chip: dict[str, list[str]] = {}
    for chip, cell in zip(chips, csv_rows.column(rows, "tags"), strict=True):
        if chip in tags_by_chip:
            note("a repeated row", chip, "the first one is kept")
        else:
            tags_by_chip[chip] = _repair_rules(chip, _repair_names(chip, cell.split(), space, note), space, note)
    if like:
        tags_by_chip = _repair_rows(tags_by_chip, like, note)

    if repaired:
        stream = io.StringIO()
        matrix = np.array([labels.encode(space, tags) for tags in tags_by_chip.values()])
        label_tables.write_tags(stream, list(tags_by_chip), matrix, space)
        atomic.write_text(repaired, stream.getvalue())
    return [Finding(problem, len(chips), chips[0], repairs[problem]) for problem, chips in chips_by_problem.items()]


def findings_text(table: Path, findings: Sequence[Finding], *, repaired: Path | None = None) -> str:
    """Return the findings as text, a line each, with their repairs if a repaired copy was written."""
    if not findings:
        return f"{table}: no problems found\n"
    lines = [
        f"{finding.problem}: {finding.count} (first: {finding.first})" + (f"; {finding.repair}" if repaired else "")
        for finding in findings
    ]
    return "\n".join(lines) + "\n"


def _repair_names(chip: str, tags: list[str], space: LabelSpace, note: Note) -> list[str]:
    """Return a row's tags with every name a label, and none twice."""
    names: list[str] = []
    for tag in tags:
        name = tag if tag in space.names else nearest(tag, space.names)
        if tag not in space.names:
            note(f"an unknown tag, {tag}", chip, f"read as {name}" if name else "left out")
        if name in names:
            note("a repeated tag", chip, "written once")
        elif name:
            names.append(name)
    if not names:
        note("no tags", chip, "left as it is")
    return names


def _repair_rules(chip: str, tags: list[str], space: LabelSpace, note: Note) -> list[str]:
    """Return a row's tags without those that stand beside a label that must be alone, if that is the only way."""
    tags_of_groups = [[tag for tag in tags if tag in group] for group in space.groups]
    for group, tags_of_group in zip(space.groups, tags_of_groups, strict=True):
        if tags and len(tags_of_group) != 1:
            note(f"{'more than one' if tags_of_group else 'none'} of {', '.join(group)}", chip, "left as it is")

    alone = [tag for tag in tags if tag in space.alone]
    if not alone or len(tags) == 1:
        return tags
    problem = f"{alone[0]} together with other tags"
    if len(alone) == 1 and all(len(tags_of_group) <= 1 for tags_of_group in tags_of_groups):
        note(problem, chip, "the other tags are left out")
        return alone
    note(problem, chip, "left as it is")
    return tags


def _repair_rows(tags_by_chip: dict[str, list[str]], like: Path, note: Note) -> dict[str, list[str]]:
    """Return the rows of a sample submission, with the table's tags."""
    wanted = dict.fromkeys(label_tables.read_ids(like))
    for chip in wanted:
        if chip not in tags_by_chip:
            note(f"missing, but in {like}", chip, "added without tags")
    for chip in tags_by_chip:
        if chip not in wanted:
            note(f"not in {like}", chip, "left out")
    return {chip: tags_by_chip.get(chip, []) for chip in wanted}

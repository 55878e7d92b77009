"""Check a table of tags against the labels and rules of a label space, and write a repaired copy."""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amazon_tags.files import atomic
from amazon_tags.tables import tag_rows
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.repair import CopyRow, repair_rows
from amazon_tags.tables.repair_cells import Note
from amazon_tags.tables.truth_tables import refuse_other_columns


@dataclass(frozen=True)
class Finding:
    """One kind of problem in a table.

    Attributes:
        problem: what is wrong.
        count: how often.
        first: the first place that has it.
        repair: what a repaired copy has instead there.
        left: whether a repaired copy still has the problem.
    """

    problem: str
    count: int
    first: str
    repair: str
    left: bool


@dataclass(frozen=True)
class CheckReport:
    """What is wrong with a table, and what a repaired copy has of it.

    Attributes:
        findings: every kind of problem.
        mended: number of cells, of names and of tags, that the copy has otherwise.
        left: number of cells that the copy has as they stand, though something is wrong with them.
        tags_before: number of tags in the table.
        tags_after: number of tags in the copy.
        remarks: how the table was read.
    """

    findings: tuple[Finding, ...]
    mended: int
    left: int
    tags_before: int
    tags_after: int
    remarks: tuple[str, ...] = ()


def check_table(
    table: Path,
    space: LabelSpace,
    *,
    like: Path | None = None,
    join_rows: bool = False,
    repaired: Path | None = None,
) -> CheckReport:
    """Return every kind of problem in a table of tags: a CSV of `image_name,tags`, a one-hot CSV, or a folder.

    Args:
        table: the table to check, as `truth_tables.read_truth` reads it; `tag?` is no problem.
        space: the labels and their rules.
        like: a sample submission; the table must have its rows, all of them and no others, spelled as there.
        join_rows: join the tags of all rows of an image, as in a table with a row for each tag.
        repaired: where to write a repaired copy, `image_name,tags`. It never loses a tag: what cannot be mended in
            exactly one way is left as it stands and counted. `repair.repair_rows` does it.

    Raises:
        ValueError: the file is not a table of tags.
    """
    rows = tag_rows.read(table)
    refuse_other_columns(rows, space)
    repair = repair_rows(rows, space, like=like, join_rows=join_rows)
    if repaired:
        atomic.write_text(repaired, _copy_text(repair.rows))

    found = [*repair.rows, *repair.removed]
    cells = [notes for row in found for notes in (row.name_notes, row.cell.notes) if notes]
    cells += [(note,) for note in repair.notes]
    left = sum(any(note.left for note in notes) for notes in cells)
    remarks = rows.remarks
    if join_rows and len(found) < len(rows.names):
        each = ", one for each image" if len({row.chip for row in found}) == len(found) else ""
        remarks = (*remarks, f"{len(rows.names)} rows are joined to {len(found)}{each}")
    return CheckReport(
        findings=_count([note for notes in cells for note in notes]),
        mended=len(cells) - left,
        left=left,
        tags_before=sum(row.cell.tags_before for row in found),
        tags_after=sum(len(row.cell.words) for row in repair.rows),
        remarks=remarks,
    )


def report_text(table: Path, report: CheckReport, *, repair: bool = False) -> str:
    """Return the findings as text, a line each; with `repair`, also what a repaired copy has, and a summary."""
    lines = [
        f"{finding.problem}: {finding.count} (first: {finding.first})" + (f"; {finding.repair}" if repair else "")
        for finding in report.findings
    ]
    if not lines:
        lines = [f"{table}: no problems found"]
    if repair:
        lines.append(
            f"{report.mended} cells mended, {report.left} left as they are; {report.tags_before} tags before, "
            f"{report.tags_after} after"
        )
    return "\n".join(lines) + "\n"


def _count(notes: Sequence[Note]) -> tuple[Finding, ...]:
    """Return a finding for each kind of problem, in the order in which they first occur."""
    notes_of_problem: dict[tuple[str, bool], list[Note]] = defaultdict(list)
    for note in notes:
        notes_of_problem[note.problem, note.left].append(note)
    return tuple(
        Finding(problem, len(same), same[0].example, same[0].repair, left)
        for (problem, left), same in notes_of_problem.items()
    )


def _copy_text(rows: Sequence[CopyRow]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("image_name", "tags"))
    writer.writerows((row.name, row.cell.text) for row in rows)
    return stream.getvalue()

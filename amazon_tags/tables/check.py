"""What `amazon_tags check` does: a label table or a submission against the label space's rules, and mended."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags.files import atomic
from amazon_tags.tables import csv_rows, label_tables, labels
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import nearest
from features.images import naming


@dataclass(frozen=True)
class Finding:
    """One kind of breach: how many rows have it, the first chip, and what a repair does about it."""

    what: str
    count: int
    first: str
    repair: str


def check_table(
    table: Path, space: LabelSpace, *, like: Path | None = None, repaired: Path | None = None
) -> list[Finding]:
    """Every breach in a table; with `repaired`, a mended copy is written there.

    Args:
        table: `image_name,tags`.
        space: what tags there are, and their rules.
        like: a sample submission, whose rows the table must have, all of them and no others.
        repaired: where to write the copy. A tag that is nearly a label becomes it, any other unknown one goes; of
            repeated rows the first stays; rows are brought to those of `like`. A breach of the rules is mended only
            where there is one way: company of a label that stands alone goes, but two labels of a group both stay.

    Raises:
        ValueError: it is no such table at all.
    """
    read = csv_rows.read(table, ("image_name", "tags"))
    ids = [naming.name(cell) for cell in csv_rows.column(read, "image_name")]
    findings: dict[str, list[str]] = {}
    repairs: dict[str, str] = {}

    def note(what: str, chip: str, repair: str) -> None:
        findings.setdefault(what, []).append(chip)
        repairs[what] = repair

    kept: dict[str, list[str]] = {}
    for chip, cell in zip(ids, csv_rows.column(read, "tags"), strict=True):
        if chip in kept:
            note("a repeated row", chip, "the first one stays")
            continue
        kept[chip] = _mended(chip, cell.split(), space, note)
    if like:
        wanted = label_tables.read_ids(like)
        for chip in wanted:
            if chip not in kept:
                note(f"missing, but in {like}", chip, "added without tags")
        known = set(wanted)
        for chip in kept:
            if chip not in known:
                note(f"not in {like}", chip, "left out")
        kept = {chip: kept.get(chip, []) for chip in wanted}
    if repaired:
        stream = io.StringIO()
        tags = np.array([labels.encode(space, row) for row in kept.values()])
        label_tables.write_tags(stream, list(kept), tags, space)
        atomic.write_text(repaired, stream.getvalue())
    return [Finding(what, len(chips), chips[0], repairs[what]) for what, chips in findings.items()]


def _mended(chip: str, tags: list[str], space: LabelSpace, note: Callable[[str, str, str], None]) -> list[str]:
    """A row's tags without what can be mended; tells of all that is wrong."""
    right: list[str] = []
    for tag in tags:
        near = tag if tag in space.names else nearest(tag, space.names)
        if tag not in space.names:
            note(f"an unknown tag, {tag}", chip, f"read as {near}" if near else "left out")
        if near in right:
            note("a repeated tag", chip, "given once")
        elif near:
            right.append(near)
    if not right:
        note("no tags", chip, "left as it is")
    for group in space.groups:
        held = [tag for tag in right if tag in group]
        if right and len(held) != 1:
            note(f"{'none' if not held else 'more than one'} of {', '.join(group)}", chip, "left as it is")
    single = [tag for tag in right if tag in space.alone]
    if (
        len(single) == 1
        and len(right) > 1
        and not any(len([tag for tag in right if tag in group]) > 1 for group in space.groups)
    ):
        note(f"{single[0]} together with other tags", chip, "its company is left out")
        return single
    if single and len(right) > 1:
        note(f"{single[0]} together with other tags", chip, "left as it is")
    return right


def findings_text(table: Path, findings: list[Finding], *, repaired: Path | None = None) -> str:
    """The findings, a line each."""
    if not findings:
        return f"{table}: nothing to say against it\n"
    lines = [
        f"{finding.count} of them: {finding.what} (first: {finding.first})"
        + (f"; {finding.repair}" if repaired else "")
        for finding in findings
    ]
    return "\n".join(lines) + "\n"

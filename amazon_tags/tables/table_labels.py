"""The labels that occur in a table, for a label space that no file names; `tag?` counts as `tag`.

A table whose tags are not separated by blanks would give one label for each row: it is refused. Labels that are
probably two spellings of one are reported.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from amazon_tags import progress
from amazon_tags.tables import tag_rows
from amazon_tags.tables.mend import BETWEEN_PARTS, spelling
from amazon_tags.tables.tag_cells import SEPARATORS, is_empty, other_marks, separators_in
from amazon_tags.tables.tag_rows import TagRows

NEVER_IN_LABELS = (",", ";", "|")  # the other separators may be part of a label, as in oil/gas


def read_names(path: Path) -> tuple[str, ...]:
    """Return the tags, columns or subfolders of a table, sorted; a cell such as `nan` has no tags.

    Raises:
        ValueError: tags are separated by something else than blanks, or `tag_rows.read` refuses the table.
    """
    rows = tag_rows.read(path)
    counts = Counter(word for tags in _tags_of_rows(rows) for word in tags)
    if rows.columns is None:
        _refuse_separated(rows, counts)
    _report_spellings(path, counts)
    return tuple(sorted(rows.columns or counts))


def _tags_of_rows(rows: TagRows) -> list[set[str]]:
    if rows.columns is not None:
        return [set(cell.split()) for cell in rows.cells]
    cells = ["" if is_empty(cell, lambda _: None) else cell for cell in rows.cells]
    return [{word.removesuffix("?") for word in cell.split()} - {""} for cell in cells]


def _refuse_separated(rows: TagRows, words: Counter[str]) -> None:
    """Refuse tags that are separated by something else than blanks: by a part that several words have in common.

    Labels with hyphens have parts in common, such as `urban-dense` and `urban-open`: all parts must be words.
    """
    marks = {word: [*separators_in(word), *other_marks(word)] for word in words}
    for separator in dict.fromkeys([*SEPARATORS, *(mark for found in marks.values() for mark in found)]):
        separated = {word for word, found in marks.items() if separator in found}
        parts = Counter(part for word in words for part in set(word.split(separator)) if part)
        shared = any(parts[part] > 1 for word in separated for part in word.split(separator))
        if BETWEEN_PARTS.fullmatch(separator):
            shared = any(all(part in words for part in word.split(separator)) for word in separated)
        if separated and (shared or separator in NEVER_IN_LABELS):
            found = [row for row, cell in enumerate(rows.cells) if separated & {w.rstrip("?") for w in cell.split()}]
            raise ValueError(
                f"{rows.path} {rows.place(found[0])}: {rows.cells[found[0]]!r} looks like tags that {separator!r} "
                f"separates ({len(found)} of {len(rows.cells)} rows). Spaces separate tags: write them so, or name the "
                "labels in a TOML file for --labels, by which such tags are told apart."
            )


def _report_spellings(path: Path, counts: Counter[str]) -> None:
    """Report labels that differ only by case, hyphens, underscores or Unicode form."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in sorted(counts):
        spellings[spelling(name)].append(name)
    doubles = [names for names in spellings.values() if len(names) > 1]
    if doubles:
        progress.say(
            f"{path}: {len(doubles)} labels are there in several spellings, each a label of its own (first: "
            f"{_counted(doubles[0], counts)}); write one of them, or name the labels in a TOML file for --labels"
        )


def _counted(names: Sequence[str], counts: Counter[str]) -> str:
    return " and ".join(f"{name!r} in {counts[name]} rows" for name in names)

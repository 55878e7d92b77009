"""Tables of tags in any form, read as rows of an image name and a cell of tags, before the tags are looked up.

The forms are a CSV of `image_name,tags`, a one-hot CSV with a column for each label, and a folder with a subfolder of
chips for each class.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags.tables import csv_rows, one_hot
from features.images import listing


@dataclass(frozen=True)
class TagRows:
    """The rows of a table as they stand in it.

    Attributes:
        path: the table's file or folder.
        columns: the labels that the table names as columns or subfolders; None for a column of tags.
        names: the image name of each row, as written.
        cells: the tags of each row, separated by spaces or, in a column of tags, as written.
        lines: the line on which each row starts; None for a folder.
        remarks: what was left out.
    """

    path: Path
    columns: tuple[str, ...] | None
    names: list[str]
    cells: list[str]
    lines: list[int] | None
    remarks: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Return where a row stands, for messages."""
        return f"line {self.lines[row]}" if self.lines else f"in {self.cells[row]}"

    def take(self, numbers: Sequence[int]) -> "TagRows":
        """Return some of the rows."""
        names, cells = ([column[row] for row in numbers] for column in (self.names, self.cells))
        return replace(self, names=names, cells=cells, lines=self.lines and [self.lines[row] for row in numbers])

    def has_row_per_tag(self, ids: Sequence[str]) -> bool:
        """Return whether the table seems to have a row for each tag: images repeat, with other single tags."""
        single = all(len(cell.split()) <= 1 for cell in self.cells)
        return single and len(set(zip(ids, self.cells, strict=True))) > len(set(ids))


def read(path: Path) -> TagRows:
    """Read a table of tags; a column `tags` counts, and only without one are the columns labels. Tags are in NFC.

    Raises:
        ValueError: a one-hot cell is no answer, a folder has no subfolder with chips or two chips of one name, or
            `csv_rows.read` refuses the file.
    """
    if path.is_dir():
        return _read_folders(path)
    table = csv_rows.read(path, ("image_name",))
    names = csv_rows.column(table, "image_name")
    if "tags" in table.columns:
        cells = list(map(_composed, csv_rows.column(table, "tags")))
        return TagRows(path, None, names, cells, table.lines, table.remarks)

    columns = one_hot.label_columns(table)
    if not columns:
        csv_rows.refuse_header(path, table.columns, ("image_name", "tags"))
    cells = [" ".join(tags) for tags in one_hot.tags_of_rows(table)]
    return TagRows(path, columns, names, cells, table.lines, table.remarks)


def _composed(tag: str) -> str:
    """Return a tag in Unicode's NFC; folders that were unzipped on macOS are not in it."""
    return unicodedata.normalize("NFC", tag)


def chip_folders(path: Path) -> list[Path]:
    """Return the folders whose chips a folder-per-class table names: its subfolders with chips.

    Raises:
        ValueError: there are none.
    """
    folders = listing.class_folders(path) if path.is_dir() else []
    if not folders:
        raise ValueError(
            f"{path} has no subfolder with chips{_chips_elsewhere(path)}; needed a folder with a subfolder of chips "
            "for each class, or a table image_name,tags."
        )
    return folders


def _chips_elsewhere(path: Path) -> str:
    """Return a clause on chips and other pictures that are not in a subfolder itself, or an empty string."""
    if not path.is_dir():
        return ": it is a file, of which an archive must be unpacked first" if path.is_file() else ""
    if filled := [folder for folder in listing.subfolders(path) if listing.class_folders(folder)]:
        return f", but {filled[0]} has: pass that folder"
    pictures = listing.unlisted_pictures(path)
    return f", but {len(pictures)} pictures that are not read (first: {pictures[0]})" if pictures else ""


def _read_folders(path: Path) -> TagRows:
    folders = chip_folders(path)
    chips = list(listing.chips(folders).files())
    remarks = []
    if loose := listing.loose_chips(path):
        remarks.append(f"{len(loose)} chips are in no subfolder and have no class (first: {min(loose)})")
    if unlisted := listing.unlisted_pictures(path):
        remarks.append(_on_unlisted(unlisted, {folder.name for folder in folders}))
    return TagRows(
        path,
        tuple(_composed(folder.name) for folder in folders),
        names=[chip.name for chip in chips],
        cells=[_composed(chip.parent.name) for chip in chips],
        lines=None,
        remarks=tuple(remarks),
    )


def _on_unlisted(pictures: Sequence[str], classes: set[str]) -> str:
    """Return a remark on pictures that are not read, and on subfolders that are no classes for this reason."""
    remark = (
        f"{len(pictures)} pictures are not read, because they are in deeper folders or not named "
        f"{', '.join(listing.SUFFIXES)} (first: {pictures[0]})"
    )
    lost = sorted({Path(picture).parts[0] for picture in pictures if len(Path(picture).parts) > 1} - classes)
    if lost:
        remark += f"; {len(lost)} subfolders have no other pictures and are no class (first: {lost[0]})"
    return remark

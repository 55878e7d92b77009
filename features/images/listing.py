"""List chips of folders, files and archives in natural order.

A listing of a million chips must fit into memory, so it holds names and makes a path only when one is read.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import overload

from features.images import archives, naming
from features.images.archives import Archive, ArchivedFile
from features.images.date_pair import DatePair
from features.images.window import Window

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
# Of pictures in formats that are not read; a listing counts them, and ignores all other files.
OTHER_PICTURES = (
    *(".jpe", ".jfif", ".jif", ".jp2", ".j2k", ".jpx", ".jxl", ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp"),
    *(".ppm", ".pgm", ".tga", ".psd", ".dng", ".img", ".ecw", ".sid", ".hdf", ".h5", ".nc", ".vrt", ".npy"),
)

ChipPath = Path | ArchivedFile
ChipRow = ChipPath | DatePair  # what a row of a data set is read from
SingleChip = ChipPath | Window
ChipSource = SingleChip | DatePair  # what the pixels of a chip are read from
Entry = tuple[int, str, int]  # index of the root, file name without folders, position in an archive (0 in a folder)


@dataclass(frozen=True)
class Listing(Sequence[ChipPath]):
    """Paths of chips in order. Each entry refers to one of the `roots`: a folder or an open archive."""

    roots: list[Path | Archive]
    entries: list[Entry]
    left_out: tuple[str, ...] = ()  # pictures whose names have other suffixes, in order

    def __len__(self) -> int:
        """Return the number of chips."""
        return len(self.entries)

    @overload
    def __getitem__(self, row: int) -> ChipPath: ...
    @overload
    def __getitem__(self, row: slice) -> "Listing": ...
    def __getitem__(self, row: int | slice) -> "ChipPath | Listing":
        """Return one path, or a part of the listing."""
        if isinstance(row, slice):
            return Listing(self.roots, self.entries[row])
        number, name, position = self.entries[row]
        root = self.roots[number]
        return root / name if isinstance(root, Path) else ArchivedFile(root, position)

    def take(self, rows: Iterable[int]) -> "Listing":
        """Return a listing of these rows, in this order."""
        return Listing(self.roots, [self.entries[row] for row in rows])

    def names(self) -> list[str]:
        """Return the chips' names in tables."""
        return [naming.name(name) for _, name, _ in self.entries]

    def files(self) -> Iterator[Path]:
        """Yield all files that reading the chips opens: chips outside archives, and archives."""
        yield from (path for path in self if isinstance(path, Path))
        yield from (root.path for root in self.roots if not isinstance(root, Path))


def files_of(row: ChipRow) -> tuple[Path, ...]:
    """Return the files that reading a row of a data set opens; of an archive, the archive."""
    paths = (row.before, row.after) if isinstance(row, DatePair) else (row,)
    return tuple(path if isinstance(path, Path) else path.archive.path for path in paths)


def name(path: ChipSource) -> str:
    """Return the chip's name in tables."""
    return naming.name(path.name)


def chips(paths: Sequence[Path]) -> Listing:
    """Return the chips of folders, archives and files in natural order: train_2 before train_10.

    Folders are not searched recursively; archives are. A file that is named itself is listed whatever its suffix.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: A path holds no chips, two chips have the same name, a table cannot hold a name, or an archive
            cannot be used.
    """
    roots: list[Path | Archive] = []
    entries: list[Entry] = []
    parents: dict[Path, int] = {}  # of single files, so that files of one folder share a root
    left_out: list[str] = []

    for path in paths:
        if path.is_dir():
            roots.append(path)
            chips_of_path = [(len(roots) - 1, file_name, 0) for file_name in _chips_in_folder(path, left_out)]
        elif not path.exists():
            raise FileNotFoundError(f"{path} is neither a file nor a folder; pass chips that exist.")
        elif path.is_file() and path.suffix.lower() not in SUFFIXES and archives.is_archive(path):
            archive = archives.open_archive(path)
            roots.append(archive)
            chips_of_path = [(len(roots) - 1, *entry) for entry in _chips_in_archive(archive, left_out)]
        else:
            if path.parent not in parents:
                parents[path.parent] = len(roots)
                roots.append(path.parent)
            chips_of_path = [(parents[path.parent], path.name, 0)]

        if not chips_of_path:
            _refuse_empty(path)
        entries += chips_of_path

    entries.sort(key=lambda entry: naming.natural(entry[1]))
    listing = Listing(roots, entries, tuple(sorted(left_out, key=naming.natural)))
    _refuse_unusable_names(listing)
    return listing


def class_folders(folder: Path) -> list[Path]:
    """Return the subfolders of a folder that hold chips, in the order of their names, as where each is a class."""
    return [path for path in subfolders(folder) if _chips_in_folder(path)]


def subfolders(folder: Path) -> list[Path]:
    """Return the subfolders of a folder in the order of their names, but for hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def loose_chips(folder: Path) -> list[str]:
    """Return the file names of the chips in a folder itself, in no order."""
    return _chips_in_folder(folder)


def unlisted_pictures(folder: Path) -> list[str]:
    """Return the paths, within a folder of class folders, of pictures that are not read, in their order.

    They have other suffixes than chips, or are in deeper folders than the class folders.
    """
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if _is_other_picture(entry.name) and not entry.is_dir()]
    for subfolder in subfolders(folder):
        for place, names, files in os.walk(subfolder):
            names[:] = [name for name in names if not name.startswith(".")]
            is_unlisted = _is_other_picture if place == str(subfolder) else _is_picture
            found += [str(Path(place, name).relative_to(folder)) for name in files if is_unlisted(name)]
    return sorted(found)


def _refuse_empty(path: Path) -> None:
    """Raise the ValueError of a folder or archive without chips, and name the subfolders that hold some."""
    if path.is_dir() and (filled := class_folders(path)):
        raise ValueError(
            f"{path} holds no chips in the folder itself, but {len(filled)} of its subfolders do (first: {filled[0]}, "
            f"with {len(_chips_in_folder(filled[0]))}); pass these folders, or train with --labels folders if each is "
            "a class."
        )
    where = "in the folder itself" if path.is_dir() else "in the archive"
    raise ValueError(f"{path} holds no chips; expected files named {', '.join(SUFFIXES)} {where}.")


def _chips_in_folder(folder: Path, left_out: list[str] | None = None) -> list[str]:
    """Return the file names of the chips, in no order, and add other pictures to `left_out`."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _is_picture(entry.name) and not entry.is_dir()]
    if left_out is not None:
        left_out += filter(_is_other_picture, names)
    return [name for name in names if _is_chip(name)]


def _chips_in_archive(archive: Archive, left_out: list[str]) -> list[tuple[str, int]]:
    """Return file name and position of each chip, and add other pictures to `left_out`."""
    names = [(naming.last_part(path), position) for position, path in enumerate(archive.names)]
    left_out += [name for name, _ in names if _is_other_picture(name)]
    return [entry for entry in names if _is_chip(entry[0])]


def _is_chip(file_name: str) -> bool:
    return file_name.strip().lower().endswith(SUFFIXES) and not file_name.startswith(".")


def _is_picture(file_name: str) -> bool:
    return file_name.strip().lower().endswith((*SUFFIXES, *OTHER_PICTURES)) and not file_name.startswith(".")


def _is_other_picture(file_name: str) -> bool:
    return _is_picture(file_name) and not _is_chip(file_name)


def _refuse_unusable_names(listing: Listing) -> None:
    for row, (first, second) in enumerate(pairwise(listing.names())):
        if first == second:
            raise ValueError(
                f"{listing[row]} and {listing[row + 1]} have the same name, {first}; a name must stand for one chip: "
                "rename one file or leave it out."
            )
    unwritable = [file_name for _, file_name, _ in listing.entries if not naming.writable(file_name)]
    if unwritable:
        raise ValueError(
            f"{len(unwritable)} of {len(listing)} chips have names with control characters or not in UTF-8 "
            f"(first: {unwritable[0]!r}), which a table cannot hold; rename them."
        )

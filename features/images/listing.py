"""Chips by their places: in folders, among files and inside of archives, in natural order.

A million of them must be listed: so a listing holds names, and makes a place of one when it is asked for.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import overload

from features.images import archives, naming
from features.images.archives import Archive, ArchivedFile

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")

ChipPath = Path | ArchivedFile


@dataclass(frozen=True)
class Listing(Sequence[ChipPath]):
    """Places in order: of each, which of the `roots` it is in, its file's name, and its position in an archive."""

    roots: list[Path | Archive]
    found: list[tuple[int, str, int]]

    def __len__(self) -> int:
        """How many chips."""
        return len(self.found)

    @overload
    def __getitem__(self, row: int) -> ChipPath: ...
    @overload
    def __getitem__(self, row: slice) -> "Listing": ...
    def __getitem__(self, row: int | slice) -> "ChipPath | Listing":
        """One place, or a part of the listing."""
        if isinstance(row, slice):
            return Listing(self.roots, self.found[row])
        root, name, position = self.found[row]
        home = self.roots[root]
        return home / name if isinstance(home, Path) else ArchivedFile(home, position)

    def take(self, rows: Iterable[int]) -> "Listing":
        """These rows, in this order."""
        return Listing(self.roots, [self.found[row] for row in rows])

    def names(self) -> list[str]:
        """What the chips are called in tables."""
        return [naming.name(name) for _, name, _ in self.found]

    def files(self) -> Iterator[Path]:
        """The files that are read: chips and archives."""
        yield from (place for place in self if isinstance(place, Path))
        yield from (home.path for home in self.roots if not isinstance(home, Path))


def name(place: ChipPath) -> str:
    """What the chip of a place is called in tables."""
    return naming.name(place.name)


def chips(paths: Sequence[Path]) -> Listing:
    """The chips in folders (not in theirs), in archives (at any depth) and among files: train_2 before train_10.

    Raises:
        FileNotFoundError: a path is not there.
        ValueError: no chips, two of one name, a name that a table cannot hold, or an archive that cannot be used.
    """
    roots: list[Path | Archive] = []
    found: list[tuple[int, str, int]] = []
    homes: dict[Path, int] = {}
    for path in paths:
        if path.is_dir():
            roots.append(path)
            inside = [(len(roots) - 1, entry, 0) for entry in _entries(path)]
        elif not path.exists():
            raise FileNotFoundError(f"{path} is neither a file nor a folder; name chips that exist.")
        elif path.is_file() and path.suffix.lower() not in SUFFIXES and archives.is_archive(path):
            archive = archives.open_archive(path)
            roots.append(archive)
            held = [(entry.rpartition("/")[2], position) for position, entry in enumerate(archive.names)]
            inside = [(len(roots) - 1, entry, position) for entry, position in held if _is_chip(entry)]
        else:
            if path.parent not in homes:
                homes[path.parent] = len(roots)
                roots.append(path.parent)
            inside = [(homes[path.parent], path.name, 0)]
        if not inside:
            where = "in the folder itself" if path.is_dir() else "in the archive"
            raise ValueError(f"{path} holds no chips; needed are files named {', '.join(SUFFIXES)} {where}.")
        found += inside
    found.sort(key=lambda entry: naming.natural(entry[1]))
    listing = Listing(roots, found)
    _refuse_names(listing)
    return listing


def _entries(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if _is_chip(entry.name) and not entry.is_dir()]


def _is_chip(file_name: str) -> bool:
    return file_name.lower().endswith(SUFFIXES) and not file_name.startswith(".")


def _refuse_names(listing: Listing) -> None:
    for row, (first, second) in enumerate(pairwise(listing.names())):
        if first == second:
            raise ValueError(
                f"{listing[row]} and {listing[row + 1]} have one name, {first}; a name may stand for one chip only."
            )
    unwritable = [entry for _, entry, _ in listing.found if not naming.writable(entry)]
    if unwritable:
        raise ValueError(
            f"{len(unwritable)} of {len(listing)} chips have names with control characters or not in UTF-8 "
            f"(first: {unwritable[0]!r}), which no table can hold; rename them."
        )

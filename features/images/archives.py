"""Files inside of a zip or tar archive, read in place: nothing is unpacked, so no name in it can lead anywhere."""

import os
import stat
import tarfile
import weakref
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

UNINDEXED_FORMATS = {  # by its first bytes: an archive that can only be read from its start to its end
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
MAX_REMEMBERED_MEMBERS = 4096  # members of a tar that Python's reader holds before it is made to forget them


class Archive(Protocol):
    """An open archive: the names of its files in its own order, and the bytes of each."""

    path: Path
    names: list[str]

    def read(self, place: int, most: int) -> bytes:
        """The bytes of the file at a place of `names`; ValueError if it is damaged or larger than `most`."""


@dataclass(frozen=True)
class ArchivedFile:
    """One file of an archive, by its place in it; where a file's path would do, so does this."""

    archive: Archive
    place: int

    @property
    def name(self) -> str:
        """The last part of its name."""
        return PurePosixPath(self.archive.names[self.place]).name

    def as_posix(self) -> str:
        """The archive's path, a colon, and its name there."""
        return f"{self.archive.path.as_posix()}:{self.archive.names[self.place]}"

    __str__ = as_posix


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar, by its content.

    Raises:
        ValueError: it is an archive that has no index to read one file by.
    """
    with path.open("rb") as stream:
        start = stream.read(512)
    for magic, kind in UNINDEXED_FORMATS.items():
        if start.startswith(magic):
            raise ValueError(
                f"{path} is packed as a whole by {kind}, so no chip in it can be found by itself; unpack it, or make a "
                "zip or plain tar of it."
            )
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06")) or start[257:262] == b"ustar"


def open_archive(path: Path) -> Archive:
    """A zip or tar, its names checked.

    Raises:
        ValueError: it is damaged, or holds a link or an encrypted file.
    """
    try:
        return Tar(path) if tarfile.is_tarfile(path) else Zip(path)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path} is no sound archive ({error}); fetch or make it anew.") from error


class Zip:
    """A zip; threads may read it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = zipfile.ZipFile(path)
        self._entries = [entry for entry in self._file.infolist() if not entry.is_dir()]
        self.names = [entry.filename for entry in self._entries]
        for entry in self._entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & 1:
                raise ValueError(f"{path} holds an encrypted file, {entry.filename!r}; unpack it yourself.")
            if kind not in (0, stat.S_IFREG):
                raise ValueError(f"{path} holds a link, {entry.filename!r}; make an archive of the files themselves.")

    def read(self, place: int, most: int) -> bytes:
        """The bytes of one file."""
        try:
            with self._file.open(self._entries[place]) as stream:
                content = stream.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(f"is damaged in its archive ({error}); fetch or make the archive anew.") from error
        return _within(content, most)


class Tar:
    """An uncompressed tar; threads may read it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self._spans: list[tuple[int, int]] = []
        with tarfile.open(path, "r:") as reader:
            for entry in reader:
                if entry.issym() or entry.islnk():
                    raise ValueError(f"{path} holds a link, {entry.name!r}; make an archive of the files themselves.")
                if entry.isreg():
                    self.names.append(entry.name)
                    self._spans.append((entry.offset_data, entry.size))
                if len(reader.members) > MAX_REMEMBERED_MEMBERS:  # type: ignore[attr-defined]
                    reader.members.clear()  # type: ignore[attr-defined]
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, place: int, most: int) -> bytes:
        """The bytes of one file."""
        offset, size = self._spans[place]
        content = os.pread(self._descriptor, min(size, most + 1), offset)
        if len(content) < min(size, most + 1):
            raise ValueError(f"is cut off: {len(content):,} of its {size:,} bytes are there; fetch the archive anew.")
        return _within(content, most)


def _within(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise ValueError(f"has over {most:,} bytes; a chip has fewer, cut it into chips first.")
    return content

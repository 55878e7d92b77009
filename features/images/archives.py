"""Read files inside a zip or tar archive without unpacking it, so that no name in the archive can write anywhere."""

import os
import stat
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

UNINDEXED_FORMATS = {  # by the first bytes: formats that can only be read from start to end
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
READABLE_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
OTHER_METHODS = {6: "implode", 9: "Deflate64", 93: "Zstandard", 95: "xz", 96: "JPEG", 98: "PPMd"}
MAX_CACHED_TAR_MEMBERS = 4096  # Python's reader keeps an object for each member; the cache is emptied past this number


class Archive(Protocol):
    """An open archive: the names of its files in stored order, and the bytes of each."""

    path: Path
    names: list[str]

    def read(self, position: int, max_bytes: int) -> bytes:
        """Return the bytes of the file at a position of `names`.

        Raises:
            ValueError: The file is damaged, or larger than `max_bytes`.
        """


@dataclass(frozen=True)
class ArchivedFile:
    """One file of an archive, by its position in `Archive.names`. It is accepted wherever a chip's path is."""

    archive: Archive
    position: int

    @property
    def name(self) -> str:
        """Return the file's name without its folders."""
        return PurePosixPath(self.archive.names[self.position]).name

    def as_posix(self) -> str:
        """Return the archive's path, a colon, and the file's name inside the archive."""
        return f"{self.archive.path.as_posix()}:{self.archive.names[self.position]}"

    __str__ = as_posix


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip or a tar, by its content.

    Raises:
        ValueError: It is a compressed archive without an index, from which one file cannot be read alone.
    """
    with path.open("rb") as stream:
        start = stream.read(512)
    for magic, kind in UNINDEXED_FORMATS.items():
        if start.startswith(magic):
            raise ValueError(
                f"{path} is packed as a whole by {kind}, so single chips cannot be read from it; unpack it, or make a "
                "zip or plain tar of it."
            )
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06")) or start[257:262] == b"ustar"


def open_archive(path: Path) -> Archive:
    """Open a zip or tar and check its index.

    Raises:
        ValueError: The archive is damaged, or holds a link or an encrypted file.
    """
    with _damage_reported(f"{path} is a damaged archive", "download or create it again"):
        return Tar(path) if tarfile.is_tarfile(path) else Zip(path)


class Zip:
    """A zip archive. Several threads may read it at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = zipfile.ZipFile(path)
        self._entries = [entry for entry in self._file.infolist() if not entry.is_dir()]
        self.names = [entry.filename for entry in self._entries]
        for entry in self._entries:
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if entry.flag_bits & 1:
                raise ValueError(f"{path} holds an encrypted file, {entry.filename!r}; unpack it yourself.")
            if entry.compress_type not in READABLE_METHODS:
                method = OTHER_METHODS.get(entry.compress_type, f"method {entry.compress_type}")
                raise ValueError(
                    f"{path} is packed by {method} (first: {entry.filename!r}), which is not read; unpack it, or "
                    "pack it by deflate, the usual method of zip."
                )
            if kind not in (0, stat.S_IFREG):
                raise ValueError(f"{path} holds a link, {entry.filename!r}; make an archive of the files themselves.")

    def read(self, position: int, max_bytes: int) -> bytes:
        """Return the bytes of one file; raises like `Archive.read`."""
        with (
            _damage_reported("is damaged in its archive", "download or create the archive again"),
            self._file.open(self._entries[position]) as stream,
        ):
            content = stream.read(max_bytes + 1)
        return _refuse_large(content, max_bytes)


class Tar:
    """An uncompressed tar archive. Several threads may read it at the same time."""

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
                if len(reader.members) > MAX_CACHED_TAR_MEMBERS:  # type: ignore[attr-defined]
                    reader.members.clear()  # type: ignore[attr-defined]
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, position: int, max_bytes: int) -> bytes:
        """Return the bytes of one file; raises like `Archive.read`."""
        offset, size = self._spans[position]
        expected = min(size, max_bytes + 1)
        content = os.pread(self._descriptor, expected, offset)
        if len(content) < expected:
            raise ValueError(
                f"is truncated: {len(content):,} of {size:,} bytes are in the archive; download or create it again."
            )
        return _refuse_large(content, max_bytes)


@contextmanager
def _damage_reported(problem: str, advice: str) -> Iterator[None]:
    """Raise ValueError for each exception by which the readers of zip and tar report damage or an unknown method."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{problem} ({error}); {advice}.") from error


def _refuse_large(content: bytes, max_bytes: int) -> bytes:
    """Return the content unless it is larger than a chip may be."""
    if len(content) > max_bytes:
        raise ValueError(f"has over {max_bytes:,} bytes; a chip has fewer, split it into chips first.")
    return content

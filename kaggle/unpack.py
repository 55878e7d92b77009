"""Unpack zip, tar and 7z archives: names are checked first, and an archive is unpacked completely or not at all."""

import errno
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import py7zr
import py7zr.exceptions

from amazon_tags.files import folders, preflight

SUFFIXES = (".zip", ".7z", ".tar", ".tar.gz", ".tgz")
DAMAGE = (  # what the four libraries raise for damaged files
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,  # of zipfile, for an encrypted file
    TypeError,
    UnicodeError,
    lzma.LZMAError,
    py7zr.exceptions.ArchiveError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
# Errors of the machine, not of the archive:
MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE)
CHUNK_BYTES = 1 << 20

Entry = tuple[str, int, bool]  # name, bytes, whether it is a plain file or a folder


def is_archive(path: Path) -> bool:
    """Return whether a file has the name of an archive."""
    return path.is_file() and path.name.endswith(SUFFIXES) and not path.name.startswith(".")


def unpack(archive: Path, output: Path) -> None:
    """Unpack an archive, and any tar inside it, into a new folder.

    Raises:
        FileExistsError: the folder exists.
        OSError: the disk is too small.
        ValueError: the file is damaged, encrypted or not an archive, or a name in it leads out of the folder.
    """
    with folders.atomic_folder(output) as part:
        _extract(archive, part, archive)
        for inner in sorted(part.glob("*.tar")):
            _extract(inner, part, archive)
            inner.unlink()


def _extract(path: Path, folder: Path, archive: Path) -> None:
    """Unpack one file; errors name the archive that it came in."""
    with _damage_reported(archive):
        if py7zr.is_7zfile(path):
            with py7zr.SevenZipFile(path) as seven:
                if seven.needs_password():
                    raise ValueError(f"{archive} is encrypted; unpack it yourself.")
                entries = [(e.filename, e.uncompressed or 0, e.is_directory or e.is_file) for e in seven.list()]
                _refuse(archive, folder, entries)
                seven.extractall(folder)  # noqa: S202  names are checked
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as zipped:
                _refuse(archive, folder, map(_zip_entry, zipped.infolist()))
                zipped.extractall(folder)  # noqa: S202
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                _refuse(archive, folder, ((entry.name, entry.size, entry.isreg() or entry.isdir()) for entry in tar))
                _refuse_truncated(tar)
                tar.extractall(folder, filter="data")
        else:
            raise ValueError(f"{archive} is not a zip, tar or 7z archive; remove it and download it again.")


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    """Turn the many exceptions that damage causes into a ValueError that names the archive."""
    try:
        yield
    except (*DAMAGE, OSError) as error:
        if isinstance(error, FileExistsError) or (isinstance(error, OSError) and error.errno in MACHINE_ERRORS):
            raise
        if isinstance(error, ValueError) and not isinstance(error, UnicodeError):  # has a message for the user
            raise
        raise ValueError(f"{archive} is damaged ({error}); remove it and download it again.") from error


def _refuse_truncated(tar: tarfile.TarFile) -> None:
    """Raise EOFError unless a tar ends with a block of zeros: `tarfile` takes a damaged header for the end, too.

    Reading on to the end of the file also checks the sum of a gzip.
    """
    if tar.fileobj is None:
        raise EOFError("it has no content")
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError("it ends in the middle")
    while tar.fileobj.read(CHUNK_BYTES):
        pass


def _zip_entry(entry: zipfile.ZipInfo) -> Entry:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return entry.filename, entry.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR) and not entry.flag_bits & 1


def _refuse(archive: Path, folder: Path, entries: Iterable[Entry]) -> None:
    """Refuse names that lead out of the folder, entries that are not plain files, and more bytes than the disk has."""
    total = 0
    for name, size, plain in entries:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
            raise ValueError(f"{archive} holds {name!r}, which leads out of its folder; do not use it.")
        if not plain:
            raise ValueError(f"{archive} holds {name!r}, which is a link, a device or encrypted; do not use it.")
        total += size
    preflight.refuse_full(folder, total)

"""Archives as the competition has them, zip, tar and 7z: names checked first, then unpacked whole or not at all."""

import errno
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import py7zr
import py7zr.exceptions

from amazon_tags.files import folders, preflight

KINDS = (".zip", ".7z", ".tar", ".tar.gz", ".tgz")
DAMAGED = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,  # zipfile's, of a file that is encrypted
    TypeError,
    UnicodeError,
    lzma.LZMAError,
    py7zr.exceptions.ArchiveError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE)
CHUNK = 1 << 20

Entry = tuple[str, int, bool]  # name, bytes, whether it is a plain file or a folder


def is_archive(path: Path) -> bool:
    """Whether a file is called like one."""
    return path.is_file() and path.name.endswith(KINDS) and not path.name.startswith(".")


def unpack(archive: Path, out: Path) -> None:
    """Unpack an archive, and any tar that it holds, into a new folder.

    Raises:
        FileExistsError: the folder is there already.
        OSError: the disk has too little room.
        ValueError: it is damaged, encrypted or no archive, or a name in it would lead out of the folder.
    """
    with folders.atomic_folder(out) as part:
        _extract(archive, part, archive)
        for inner in sorted(part.glob("*.tar")):
            _extract(inner, part, archive)
            inner.unlink()


def _extract(place: Path, folder: Path, archive: Path) -> None:
    """Unpack one file; messages speak of the archive that it came in."""
    try:
        if py7zr.is_7zfile(place):
            with py7zr.SevenZipFile(place) as seven:
                if seven.needs_password():
                    raise ValueError(f"{archive} is encrypted; unpack it yourself.")
                entries = [(e.filename, e.uncompressed or 0, e.is_directory or e.is_file) for e in seven.list()]
                _refuse(archive, folder, entries)
                seven.extractall(folder)  # noqa: S202  names are checked
        elif zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as zipped:
                _refuse(archive, folder, map(_zipped, zipped.infolist()))
                zipped.extractall(folder)  # noqa: S202
        elif tarfile.is_tarfile(place):
            with tarfile.open(place) as tar:
                _refuse(archive, folder, ((entry.name, entry.size, entry.isreg() or entry.isdir()) for entry in tar))
                _refuse_cut(tar)
                tar.extractall(folder, filter="data")
        else:
            raise ValueError(f"{archive} is no zip, tar or 7z; remove it and fetch it anew.")
    except DAMAGED as error:
        if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
            raise
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno in MACHINE or isinstance(error, FileExistsError):
            raise
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> ValueError:
    return ValueError(f"{archive} is damaged ({error}); remove it and fetch it anew.")


def _refuse_cut(tar: tarfile.TarFile) -> None:
    """Python takes a damaged header for the end; the true one is a block of zeros, and gzip's own sum comes after."""
    if tar.fileobj is None:
        raise EOFError("it has no content")
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError("it ends in the middle")
    while tar.fileobj.read(CHUNK):
        pass


def _zipped(entry: zipfile.ZipInfo) -> Entry:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return entry.filename, entry.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR) and not entry.flag_bits & 1


def _refuse(archive: Path, folder: Path, entries: Iterable[Entry]) -> None:
    total = 0
    for name, size, plain in entries:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
            raise ValueError(f"{archive} holds {name!r}, which would lead out of its folder; do not use it.")
        if not plain:
            raise ValueError(f"{archive} holds {name!r}, which is a link, a device or encrypted; do not use it.")
        total += size
    preflight.refuse_full(folder, total)

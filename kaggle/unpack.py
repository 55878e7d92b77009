"""Archives as the competition has them, zip, tar and 7z: names checked first, then unpacked whole or not at all."""

import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import py7zr
import py7zr.exceptions

from amazon_tags import files

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    py7zr.exceptions.ArchiveError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
)
JUNK = ("__MACOSX", "._")  # how names begin that a Mac puts into archives

Entry = tuple[str, int, bool]  # name, bytes, whether it is a plain file or a folder


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack an archive, and a tar that is all it holds, into a folder; returns what stands there now.

    Raises:
        FileExistsError: something of its name stands there already.
        OSError: the disk has too little room.
        ValueError: it is damaged, encrypted or no archive, or a name in it would lead out of the folder.
    """
    part = Path(tempfile.mkdtemp(prefix=".amazon_tags-", suffix=".part", dir=folder))
    try:
        _extract(archive, part)
        for inner in sorted(part.glob("*.tar")):
            _extract(inner, part)
            inner.unlink()
        made = [entry for entry in sorted(part.iterdir()) if not entry.name.startswith(JUNK)]
        for entry in made:
            files.refuse_existing(folder / entry.name)
        return [entry.rename(folder / entry.name) for entry in made]
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    try:
        if py7zr.is_7zfile(archive):
            with py7zr.SevenZipFile(archive) as seven:
                if seven.needs_password():
                    raise ValueError(f"{archive} is encrypted; unpack it yourself.")
                entries = [(e.filename, e.uncompressed or 0, e.is_directory or e.is_file) for e in seven.list()]
                _refuse(archive, folder, entries)
                seven.extractall(folder)  # noqa: S202  names are checked
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                _refuse(archive, folder, map(_zipped, zipped.infolist()))
                zipped.extractall(folder)  # noqa: S202
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _refuse(archive, folder, ((entry.name, entry.size, entry.isreg() or entry.isdir()) for entry in tar))
                tar.extractall(folder, filter="data")
        else:
            raise ValueError(f"{archive} is no zip, tar or 7z; fetch it anew.")
    except DAMAGED as error:
        raise ValueError(f"{archive} is damaged ({error}); remove it and fetch it anew.") from error


def _zipped(entry: zipfile.ZipInfo) -> Entry:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return entry.filename, entry.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR) and not entry.flag_bits & 1


def _refuse(archive: Path, folder: Path, entries: Iterable[Entry]) -> None:
    total = 0
    for name, size, plain in entries:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise ValueError(f"{archive} holds {name!r}, which would lead out of its folder; do not use it.")
        if not plain:
            raise ValueError(f"{archive} holds {name!r}, which is a link, a device or encrypted; do not use it.")
        total += size
    files.refuse_full(folder, total)

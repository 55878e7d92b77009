"""Checks of the outputs before any work: can they be written, and would one of them overwrite an input?"""

import errno
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from amazon_tags.files.system import create, descriptor_number, remove_if_there, temporary_sibling, write_error


def refuse_unwritable(path: Path) -> None:
    """Raise the OSError that writing `path` would raise, before any work that would be lost.

    A temporary file is really created and removed: mode bits do not bind root and do not show a read-only file system.

    Raises:
        FileNotFoundError: the folder is missing.
        IsADirectoryError: `path` is a folder.
        PermissionError: the folder, or the existing file, may not be written.
        OSError: any other reason, such as a read-only file system or a name that is too long.
    """
    if descriptor_number(path) is not None:
        return
    target = Path(os.path.realpath(path))
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name a file to write, such as {path / 'submission.csv'}.")
        if path.exists() and not path.is_file():
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        _probe(target)
        if target.exists():
            os.close(os.open(target, os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        if error.strerror is None:  # our own: it has advice
            raise
        raise write_error(path, error) from error


def refuse_full(folder: Path, needed: int) -> None:
    """Raise OSError if a folder's disk has less than `needed` bytes free."""
    if shutil.disk_usage(folder).free < needed:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise write_error(folder, error)


def refuse_outputs(outputs: Sequence[Path], inputs: Iterable[Path] = ()) -> None:
    """Check all outputs of a run as `refuse_unwritable` does; no output may be an input or another output.

    Raises:
        ValueError: two outputs are one file, or an output is an input.
        OSError: an output cannot be written.
    """
    real = [os.path.realpath(path) for path in outputs]
    for place, path in enumerate(outputs):
        if real[place] in real[:place]:
            raise ValueError(f"{path} is named for two outputs, so one of them would be lost; name another file.")

    existing = {_inode(path): path for path in outputs if path.is_file()}
    for path in inputs if existing else ():
        if path.is_file() and _inode(path) in existing:
            raise ValueError(f"{existing[_inode(path)]} is one of the inputs and would be lost; name another file.")

    for path in outputs:
        refuse_unwritable(path)


def refuse_existing(path: Path) -> None:
    """Raise FileExistsError if `path` exists, even as a dangling link."""
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists and is never overwritten; name another folder, or move this one away.")


def refuse_filled(path: Path) -> None:
    """Raise FileExistsError unless `path` is free or an empty folder."""
    if not path.is_dir() or any(path.iterdir()):
        refuse_existing(path)


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _probe(target: Path) -> None:
    """Create a file beside `target` and remove it, even if a signal arrives in between."""
    part = temporary_sibling(target)
    try:
        os.close(create(part, target))
        part.unlink()
    except BaseException:
        remove_if_there(part)
        raise

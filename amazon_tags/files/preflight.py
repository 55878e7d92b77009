"""Checks before any work: can the outputs be written, and would one of them overwrite an input?"""

import errno
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from amazon_tags.files.system import create, discard, open_descriptor, refusal, sibling


def refuse_unwritable(path: Path) -> None:
    """Raises the OSError that writing `path` would end in; called before any work that would be lost.

    A sibling is really made and removed: mode bits say nothing to root, nor of a read-only file system.

    Raises:
        FileNotFoundError: The folder is missing.
        IsADirectoryError: `path` is a folder.
        PermissionError: The folder, or the file that stands there, may not be written.
        OSError: Any other reason, such as a read-only file system or a name that is too long.
    """
    if open_descriptor(path) is not None:
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
        if error.strerror is None:  # says already what to do
            raise
        raise refusal(path, error) from error


def refuse_full(folder: Path, needed: int) -> None:
    """Raises the OSError that writing so many bytes into the folder would end in."""
    if shutil.disk_usage(folder).free < needed:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise refusal(folder, error)


def refuse_outputs(outputs: Sequence[Path], inputs: Iterable[Path] = ()) -> None:
    """`refuse_unwritable` for all outputs of a run, none of which may be an input or another output.

    Raises:
        ValueError: A path is named twice, or a file would be lost that the run reads.
    """
    real = [os.path.realpath(path) for path in outputs]
    for place, path in enumerate(outputs):
        if real[place] in real[:place]:
            raise ValueError(f"{path} is named for two outputs, of which one would be lost; name another file.")
    there = {_inode(path): path for path in outputs if path.is_file()}
    for path in inputs if there else ():
        if path.is_file() and _inode(path) in there:
            raise ValueError(f"{there[_inode(path)]} is one of the inputs and would be lost; name another file.")
    for path in outputs:
        refuse_unwritable(path)


def refuse_existing(path: Path) -> None:
    """Raises FileExistsError if anything, even a dangling link, stands at `path`."""
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists and is never overwritten; name another folder, or move this one away.")


def refuse_filled(path: Path) -> None:
    """Raises FileExistsError unless the path is free, or an empty folder."""
    if not path.is_dir() or any(path.iterdir()):
        refuse_existing(path)


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _probe(target: Path) -> None:
    """Makes a sibling of `target` and removes it again, also where a signal comes in between."""
    part = sibling(target)
    try:
        os.close(create(part, target))
        part.unlink()
    except BaseException:
        discard(part)
        raise

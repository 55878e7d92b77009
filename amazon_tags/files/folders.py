"""Folders that appear complete or not at all, even if a run is killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from amazon_tags.files import preflight
from amazon_tags.files.system import is_disk_full, sync, temporary_sibling, write_error

UNFINISHED = ".amazon_tags-*.part"  # temporary files and folders that a killed run leaves
LITTER = (".ds_store", "thumbs.db", "desktop.ini", "._*")  # files that macOS and Windows leave in folders they show


def is_litter(path: Path) -> bool:
    """Return whether a file manager left this file; in folders of ours such files are neither counted nor copied.

    Example:
        >>> is_litter(Path("model/Thumbs.db"))
        True
    """
    return any(fnmatchcase(path.name.lower(), pattern) for pattern in LITTER) and not path.is_symlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, and move it to `path` when the block ends; remove it after any exception.

    Raises:
        FileExistsError: `path` exists, before the block or after it.
    """
    preflight.refuse_existing(path)
    part = temporary_sibling(path)
    try:
        try:
            part.mkdir()
        except OSError as error:
            raise write_error(path, error) from error

        yield part

        for entry in part.rglob("*"):
            if not entry.is_symlink() and (entry.is_file() or entry.is_dir()):
                sync(entry)
        sync(part)

        preflight.refuse_existing(path)
        part.rename(path)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if is_disk_full(error):
            raise write_error(path, error) from error
        raise
    sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, unless it exists.

    Raises:
        OSError: it cannot be made, or a file has its name.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder's content but for litter, and raise the first error; `shutil.copytree` collects them."""
    for entry in sorted(source.rglob("*")):
        copy = target / entry.relative_to(source)
        if entry.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif not is_litter(entry):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry, copy)


@contextmanager
def filled_folder(path: Path) -> Iterator[Path]:
    """As `atomic_folder`, but fill an existing empty folder in place, and empty it again after any exception."""
    if not path.is_dir() or any(path.iterdir()):
        with atomic_folder(path) as part:
            yield part
        return
    try:
        yield path
    except BaseException:
        for entry in path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder in one step for other processes; a run that is killed may leave it under a hidden name."""
    part = temporary_sibling(path)
    path.rename(part)
    _remove(part)


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders that killed runs left in a folder.

    Call it only under a lock that every writer of the folder takes. Entries that cannot be removed, such as those of
    another user, stay.
    """
    for part in folder.glob(UNFINISHED):
        with suppress(OSError):
            _remove(part)


def _remove(part: Path) -> None:
    """Remove a file, a folder, or a symlink itself, never its target."""
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink()

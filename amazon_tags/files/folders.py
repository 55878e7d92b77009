"""Folders that are complete or absent, whatever ends the run."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amazon_tags.files import preflight
from amazon_tags.files.system import is_full, refusal, sibling, sync

UNFINISHED = ".amazon_tags-*.part"  # siblings that a killed run leaves


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it stands at `path`, complete, once the block ends well, and nowhere otherwise.

    Raises:
        FileExistsError: Something stands at `path`, before the block or after it.
    """
    preflight.refuse_existing(path)
    part = sibling(path)
    try:
        try:
            part.mkdir()
        except OSError as error:
            raise refusal(path, error) from error
        yield part
        for entry in part.rglob("*"):
            if not entry.is_symlink() and (entry.is_file() or entry.is_dir()):
                sync(entry)
        sync(part)
        preflight.refuse_existing(path)
        part.rename(path)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if is_full(error):
            raise refusal(path, error) from error
        raise
    sync(path.parent)


def copy_folder(source: Path, target: Path) -> None:
    """Copies what a folder holds into another; unlike `shutil.copytree` it ends with the error that stopped it."""
    for entry in sorted(source.rglob("*")):
        place = target / entry.relative_to(source)
        if entry.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry, place)


@contextmanager
def filled_folder(path: Path) -> Iterator[Path]:
    """As `atomic_folder`, but a folder that is there and empty is filled in place, and emptied after any exception."""
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
    """Removes a folder at once: nobody finds half of it, though a killed run may leave it under a hidden name."""
    part = sibling(path)
    path.rename(part)
    _remove(part)


def sweep(folder: Path) -> None:
    """Removes what killed runs left unfinished in a folder; only for who holds a lock that all of its writers take.

    What cannot be removed, such as another user's, stays.
    """
    for part in folder.glob(UNFINISHED):
        with suppress(OSError):
            _remove(part)


def _remove(part: Path) -> None:
    """Of a link the link alone, for what it leads to is somebody else's."""
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink()

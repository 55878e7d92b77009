"""The folder of pictures beside a page: `gallery.files` for `gallery.html`.

Its pictures lie in a folder named by their hash. A new page gets a new folder, is put in place, and only then the old
folder is removed. So a page that is open or left by a killed run always has its own pictures.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amazon_tags.files import folders, preflight
from amazon_tags.files.hashes import sha256
from amazon_tags.files.locks import hold_lock
from amazon_tags.files.system import is_disk_full, sync, temporary_sibling, write_error

MARKER = "amazon_tags.page"  # the file that says whose the folder is; it is the lock of the page too
HASH_DIGITS = 12
PICTURES = re.compile(rf"[0-9a-f]{{{HASH_DIGITS}}}")  # names of the folders of pictures


def folder_of(page: Path) -> Path:
    """Return the folder beside a page.

    Example:
        >>> folder_of(Path("out/gallery.html")).as_posix()
        'out/gallery.files'
    """
    return page.with_suffix(".files")


def refuse_foreign(page: Path) -> None:
    """Raise FileExistsError if what stands in the place of the page's folder was not made for a page."""
    folder = folder_of(page)
    if not (folder / MARKER).is_file():
        preflight.refuse_filled(folder)


@contextmanager
def picture_folder(page: Path) -> Iterator[Path]:
    """Yield an empty hidden folder for the pictures of a page; `settle` moves it into its place.

    After an exception nothing new is left. The block holds the page's lock.

    Raises:
        BlockingIOError: another run writes this page.
        FileExistsError: the page's folder is not one of ours.
    """
    refuse_foreign(page)
    folder = folder_of(page)
    is_new = not (folder / MARKER).exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        with hold_lock(folder / MARKER):
            folders.sweep(folder)
            part = temporary_sibling(folder / MARKER)
            part.mkdir()
            try:
                yield part
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except BaseException as error:
        if is_new:
            _remove_if_empty(folder)
        if is_disk_full(error):
            raise write_error(folder, error) from error
        raise


def settle(part: Path) -> Path:
    """Move a folder of pictures to its place, named by the hash of its files, and return that."""
    digest = hashlib.sha256()
    for picture in sorted(part.iterdir()):
        digest.update(f"{picture.name} {sha256(picture)}\n".encode())
        sync(picture)
    sync(part)
    place = part.parent / digest.hexdigest()[:HASH_DIGITS]
    if not place.exists():
        part.rename(place)
        sync(place.parent)
    return place


def remove_pictures(page: Path, *, but: Path | None = None) -> None:
    """Remove the pictures of earlier pages of this name; `but` is the folder that the page now shows."""
    folder = folder_of(page)
    if (folder / MARKER).is_file():
        for place in folder.iterdir():
            if PICTURES.fullmatch(place.name) and place != but:
                folders.remove_folder(place)


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but the marker."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [MARKER]:
            (folder / MARKER).unlink()
        folder.rmdir()

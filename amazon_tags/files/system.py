"""The system calls behind atomic files: temporary siblings, fsync, and errors that say what to do."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from amazon_tags.errors import FULL

MAX_LINKS = 40  # links in a path that Linux follows


def is_disk_full(error: BaseException) -> TypeGuard[OSError]:
    """Return whether the system reported a full disk; an error of `write_error` is not counted a second time."""
    return isinstance(error, OSError) and error.errno in FULL and bool(error.strerror)


def temporary_sibling(target: Path) -> Path:
    """Return an unused path beside `target`; its length does not depend on the target's, which may be the longest."""
    return target.parent / f".amazon_tags-{secrets.token_hex(8)}.part"


def remove_if_there(part: Path) -> None:
    """Remove a file if it exists, without raising: the caller is about to raise an earlier error."""
    with suppress(OSError):
        part.unlink()


def create(part: Path, target: Path) -> int:
    """Create the file `part` with the mode that the umask allows, and return its descriptor; errors name `target`."""
    try:
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise write_error(target, error) from error


def write_error(path: Path, error: OSError) -> OSError:
    """Return an error of the same type and number whose message is one line with advice."""
    advice = "name a place that this user may write to"
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError):
        reason = f"the folder {path.parent} does not exist"
        advice = "create it first"
    if error.errno in FULL:
        advice = "make room and start it again"
    with_advice = type(error)(f"{path} cannot be written: {reason}; {advice}.")
    with_advice.errno = error.errno
    return with_advice


def descriptor_number(path: Path) -> int | None:
    """Return the number of the open descriptor that a path such as `/dev/stdout` or `/dev/fd/3` leads to, or None."""
    for _ in range(MAX_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in (f"/proc/{os.getpid()}/fd", "/dev/fd") and path.name.isdecimal():
            return int(path.name)
        try:
            path = path.parent / path.readlink()
        except OSError:  # not a link, or missing
            return None
    return None


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk where the file system supports that."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no fsync
            raise
    finally:
        os.close(descriptor)

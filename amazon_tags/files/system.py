"""The system calls behind atomic files: temporary siblings, fsync, and errors that say what to do."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether a disk was full, said by an error that does not say where."""
    return isinstance(error, OSError) and error.errno == errno.ENOSPC and bool(error.strerror)


def sibling(target: Path) -> Path:
    """A name beside `target` that nothing has; short, so that a long name cannot make it too long."""
    return target.parent / f".amazon_tags-{secrets.token_hex(8)}.part"


def discard(part: Path) -> None:
    """Removes a sibling that may not be there; what went wrong before is what shall be told."""
    with suppress(OSError):
        part.unlink()


def create(part: Path, target: Path) -> int:
    """Descriptor of the new file `part`, with the mode that the umask leaves; errors speak of `target`."""
    try:
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise refusal(target, error) from error


def refusal(path: Path, error: OSError) -> OSError:
    """The same kind of error in one line that says what to do."""
    advice = "name a place that this user may write to"
    reason = (error.strerror or str(error)).lower()
    if isinstance(error, FileNotFoundError):
        reason = f"the folder {path.parent} does not exist"
        advice = "create it first"
    if error.errno == errno.ENOSPC:
        advice = "make room and start it again"
    refusal = type(error)(f"{path} cannot be written: {reason}; {advice}.")
    refusal.errno = error.errno
    return refusal


def open_descriptor(path: Path) -> int | None:
    """Number of the open descriptor that a path such as `/dev/stdout` or `/dev/fd/3` leads to."""
    for _ in range(40):  # as many links as Linux follows
        folder = os.path.realpath(path.parent)
        if folder in (f"/proc/{os.getpid()}/fd", "/dev/fd") and path.name.isdecimal():
            return int(path.name)
        try:
            path = path.parent / path.readlink()
        except OSError:  # no link, or nothing
            return None
    return None


def sync(path: Path) -> None:
    """Forces a file or the entries of a folder to disk, where the file system knows how."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no fsync
            raise
    finally:
        os.close(descriptor)

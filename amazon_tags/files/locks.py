"""A lock file that one process holds at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amazon_tags.files.system import refusal


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; it stays on disk, for removing it would let two runs hold it.

    The lock goes when the block ends, or the process, however it ends.

    Raises:
        BlockingIOError: Another run holds it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise refusal(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"Another run holds {path}; start this one again when it has ended.") from error
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # not left to close: a forked child may hold the descriptor too
    finally:
        os.close(descriptor)

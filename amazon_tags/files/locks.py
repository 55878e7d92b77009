"""Lock files: one process at a time, or several that share the lock."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amazon_tags.files.system import write_error

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def hold_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block.

    The lock ends with the block or with the process, however that ends. The file stays: if it were removed, two runs
    could each lock a file of that name. Runs that ask for a `shared` lock hold it together, but not beside a run that
    holds it alone; on a file system without locks, such as some network folders, a shared lock is none.

    Raises:
        BlockingIOError: another run holds the lock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"Another run holds {path}; start this one again when it has ended.") from error
        except OSError as error:
            if not (shared and error.errno in NO_LOCKS):
                raise
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing would not do if a forked child has the descriptor too
    finally:
        os.close(descriptor)

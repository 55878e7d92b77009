"""The only writer: a file is whole or untouched, whatever ends the run.

Everything is written to a hidden sibling, flushed, fsynced and renamed. Devices, pipes and descriptors such as
`/dev/stdout` have nothing to replace, so they are written straight through.
"""

import errno
import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from amazon_tags.files.system import create, discard, is_full, open_descriptor, refusal, sibling, sync


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes stand at `path` once the block ends well; after any exception the old file stands.

    A new file gets the mode that a plain `open` would give it, an existing one keeps its own. Of a symbolic link the
    file that it leads to is replaced.
    """
    straight = _straight(path)
    if straight is not None:
        with straight:
            yield straight
        return
    target = Path(os.path.realpath(path))
    part = sibling(target)
    try:
        with os.fdopen(create(part, target), "wb") as stream:
            yield stream
        sync(part)
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except BaseException as error:  # KeyboardInterrupt too
        discard(part)
        if is_full(error):
            raise refusal(path, error) from error
        raise
    sync(target.parent)


@contextmanager
def atomic_text(path: Path | None) -> Iterator[TextIO]:
    """As `atomic`, of text in UTF-8, line ends as they are; stdout where no path is given."""
    if path is None:
        yield sys.stdout
        return
    with atomic_file(path) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield stream
        stream.flush()
        stream.detach()


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file by `content`, whole or not at all."""
    with atomic_file(path) as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Replaces the file by `text` in UTF-8, line ends as they are."""
    write_bytes(path, text.encode())


def append(path: Path, text: str) -> None:
    """Adds text to the end of a file in one piece, whoever else adds to it, and forces it to disk."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            before, content = os.fstat(descriptor).st_size, text.encode()
            if stream.write(content) < len(content):  # half a line would spoil what comes after it
                os.ftruncate(descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)
    except OSError as error:
        raise refusal(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Replaces the file by `value` as JSON, keys in their own order; NaN and infinity raise ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _straight(path: Path) -> BinaryIO | None:
    """An open stream where there is no regular file to replace, else None."""
    descriptor = open_descriptor(path)
    if descriptor is not None:  # a duplicate shares the position, so `>>` appends, and sockets work
        return os.fdopen(os.dup(descriptor), "wb")
    if path.exists() and not path.is_file():
        return path.open("wb")
    return None

"""Atomic files: a file gets its new content completely or keeps the old one, even if the run is killed.

Content is written to a hidden temporary file in the same folder, flushed, fsynced and renamed. Devices, pipes and
descriptors such as `/dev/stdout` have no file to replace, so they are written directly.
"""

import errno
import io
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from amazon_tags.errors import naming_stdout
from amazon_tags.files.system import (
    create,
    descriptor_number,
    is_disk_full,
    remove_if_there,
    sync,
    temporary_sibling,
    write_error,
)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream, and replace the file at `path` by its bytes when the block ends; keep it after any exception.

    A new file gets the mode that a plain `open` would give it, an existing file keeps its mode. A symlink stays, and
    its target is replaced.
    """
    direct = _open_directly(path)
    if direct is not None:
        try:
            with direct:
                yield direct
        except OSError as error:
            if is_disk_full(error):
                raise write_error(path, error) from error
            raise
        return

    target = Path(os.path.realpath(path))
    part = temporary_sibling(target)
    try:
        with os.fdopen(create(part, target), "wb") as stream:
            yield stream
        _replace(target, part)
    except BaseException as error:  # KeyboardInterrupt too
        remove_if_there(part)
        if is_disk_full(error):
            raise write_error(path, error) from error
        raise
    sync(target.parent)


def _replace(target: Path, part: Path) -> None:
    """Put a finished temporary file in a file's place; an error, such as of a folder that is gone, names the file."""
    try:
        sync(part)
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except OSError as error:
        raise write_error(target, error) from error


@contextmanager
def atomic_text(path: Path | None) -> Iterator[TextIO]:
    """As `atomic_file`, for text in UTF-8 with line ends unchanged; yield stdout if `path` is None."""
    if path is None:
        with naming_stdout():
            yield sys.stdout
            sys.stdout.flush()
        return
    with atomic_file(path) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield stream
        stream.flush()
        stream.detach()


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file by `content`."""
    with atomic_file(path) as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Replace the file by `text` in UTF-8, line ends unchanged."""
    write_bytes(path, text.encode())


def append(path: Path, text: str) -> None:
    """Append text to a file in one write, so that parallel writers cannot mix, and flush it to disk."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            size, content = os.fstat(descriptor).st_size, text.encode()
            if stream.write(content) < len(content):  # half a line would damage the next one
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(path)
    except OSError as error:
        raise write_error(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Replace the file by `value` as JSON, keys in their order; NaN and infinity raise ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Replace the file by a line of JSON for each value."""
    write_text(path, "".join(json.dumps(value) + "\n" for value in values))


def _open_directly(path: Path) -> BinaryIO | None:
    """Open a path that is no regular file; return None for a file that can be replaced."""
    descriptor = descriptor_number(path)
    if descriptor is not None:  # a duplicate shares the position, so `>>` appends, and sockets work
        return os.fdopen(os.dup(descriptor), "wb")
    if path.exists() and not path.is_file():
        return path.open("wb")
    return None

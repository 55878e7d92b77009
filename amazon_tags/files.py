"""The only writer: a file is whole or untouched, whatever ends the run.

Everything is written to a hidden sibling, flushed, fsynced and renamed. Devices, pipes and descriptors such as
`/dev/stdout` have nothing to replace, so they are written straight through.
"""

import errno
import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeGuard

UNFINISHED = ".amazon_tags-*.part"  # siblings that a killed run leaves


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
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
    part = _sibling(target)
    try:
        with os.fdopen(_create(part, target), "wb") as stream:
            yield stream
        _sync(part)
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    except BaseException as error:  # KeyboardInterrupt too
        _discard(part)
        if _is_full(error):
            raise _refusal(path, error) from error
        raise
    _sync(target.parent)


@contextmanager
def text(path: Path | None) -> Iterator[TextIO]:
    """As `atomic`, of text in UTF-8, line ends as they are; stdout where no path is given."""
    if path is None:
        yield sys.stdout
        return
    with atomic(path) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield stream
        stream.flush()
        stream.detach()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it stands at `path`, complete, once the block ends well, and nowhere otherwise.

    Raises:
        FileExistsError: Something stands at `path`, before the block or after it.
    """
    refuse_existing(path)
    part = _sibling(path)
    try:
        try:
            part.mkdir()
        except OSError as error:
            raise _refusal(path, error) from error
        yield part
        for entry in part.rglob("*"):
            if not entry.is_symlink() and (entry.is_file() or entry.is_dir()):
                _sync(entry)
        _sync(part)
        refuse_existing(path)
        part.rename(path)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if _is_full(error):
            raise _refusal(path, error) from error
        raise
    _sync(path.parent)


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
    part = _sibling(path)
    path.rename(part)
    _remove(part)


def sweep(folder: Path) -> None:
    """Removes what killed runs left unfinished in a folder; only for who holds a lock that all of its writers take.

    What cannot be removed, such as another user's, stays.
    """
    for part in folder.glob(UNFINISHED):
        with suppress(OSError):
            _remove(part)


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file by `content`, whole or not at all."""
    with atomic(path) as stream:
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
        _sync(path)
    except OSError as error:
        raise _refusal(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Replaces the file by `value` as JSON, keys in their own order; NaN and infinity raise ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def refuse_unwritable(path: Path) -> None:
    """Raises the OSError that writing `path` would end in; called before any work that would be lost.

    A sibling is really made and removed: mode bits say nothing to root, nor of a read-only file system.

    Raises:
        FileNotFoundError: The folder is missing.
        IsADirectoryError: `path` is a folder.
        PermissionError: The folder, or the file that stands there, may not be written.
        OSError: Any other reason, such as a read-only file system or a name that is too long.
    """
    if _descriptor(path) is not None:
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
        raise _refusal(path, error) from error


def refuse_full(folder: Path, needed: int) -> None:
    """Raises the OSError that writing so many bytes into the folder would end in."""
    if shutil.disk_usage(folder).free < needed:
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise _refusal(folder, error)


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


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of `content`, in hexadecimal.

    Example:
        >>> sha256_bytes(b"")[:16]
        'e3b0c44298fc1c14'
    """
    return hashlib.sha256(content).hexdigest()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Holds the lock file `path`; it stays on disk, for removing it would let two runs hold it.

    The lock goes when the block ends, or the process, however it ends.

    Raises:
        BlockingIOError: Another run holds it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _refusal(path, error) from error
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


def _remove(part: Path) -> None:
    """Of a link the link alone, for what it leads to is somebody else's."""
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink()


def _is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether a disk was full, said by an error that does not say where."""
    return isinstance(error, OSError) and error.errno == errno.ENOSPC and bool(error.strerror)


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _sibling(target: Path) -> Path:
    """A name beside `target` that nothing has; short, so that a long name cannot make it too long."""
    return target.parent / f".amazon_tags-{secrets.token_hex(8)}.part"


def _probe(target: Path) -> None:
    """Makes a sibling of `target` and removes it again, also where a signal comes in between."""
    part = _sibling(target)
    try:
        os.close(_create(part, target))
        part.unlink()
    except BaseException:
        _discard(part)
        raise


def _discard(part: Path) -> None:
    """Removes a sibling that may not be there; what went wrong before is what shall be told."""
    with suppress(OSError):
        part.unlink()


def _create(part: Path, target: Path) -> int:
    """Descriptor of the new file `part`, with the mode that the umask leaves; errors speak of `target`."""
    try:
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _refusal(target, error) from error


def _refusal(path: Path, error: OSError) -> OSError:
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


def _descriptor(path: Path) -> int | None:
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


def _straight(path: Path) -> BinaryIO | None:
    """An open stream where there is no regular file to replace, else None."""
    descriptor = _descriptor(path)
    if descriptor is not None:  # a duplicate shares the position, so `>>` appends, and sockets work
        return os.fdopen(os.dup(descriptor), "wb")
    if path.exists() and not path.is_file():
        return path.open("wb")
    return None


def _sync(path: Path) -> None:
    """Forces a file or the entries of a folder to disk, where the file system knows how."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no fsync
            raise
    finally:
        os.close(descriptor)

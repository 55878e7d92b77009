"""One answer to the many errors that damaged files lead to.

A file whose hash is right may still hold anything, since its writer may be a stranger; parsers then fail in many ways.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from zipfile import BadZipFile

DAMAGE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
    BadZipFile,
    zlib.error,
)


@contextmanager
def refusing_damage(
    error: type[ValueError], problem: str, advice: str, *, also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn the errors of parsing inside the block into one of ours, whose message is on one line.

    Args:
        error: the type to raise; an error of this very type passes unchanged.
        problem: what is wrong, with the file's name.
        advice: what to do.
        also: further errors that mean damage here, such as OSError.
    """
    try:
        yield
    except error:
        raise
    except DAMAGE + also as cause:
        reason = str(cause) if isinstance(cause, ValueError) else repr(cause)
        raise error(f"{problem} ({' '.join(reason.split())}); {advice}.") from cause

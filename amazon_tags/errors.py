"""How a run of the command line ends: exit codes, and the one place that maps exceptions to them."""

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TextIO

import click

from amazon_tags import progress
from amazon_tags.signals import received_signals

FAILURE, SKIPPED, REFUSED, DRIFTED, REJECTED, IO_ERROR, LOCKED = 1, 3, 4, 10, 20, 74, 75
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space left, or the limits of the user or the process are reached
FAILURES = (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError)  # OpenVINO raises only RuntimeError


class RefusedError(ValueError):
    """An input that is refused as a whole, such as a damaged model bundle; it has its own exit code."""

    exit_code = REFUSED


def emit(text: str) -> None:
    """Write a result to stdout.

    Raises:
        OSError: stdout is closed; `click.echo` would drop the text silently.
    """
    if not sys.stdout:
        raise OSError(errno.EBADF, "stdout is closed; open it")
    with naming_stdout():
        sys.stdout.write(text)
        sys.stdout.flush()


@contextmanager
def naming_stdout() -> Iterator[None]:
    """Name stdout in the error of a full disk, which the system reports without a name."""
    try:
        yield
    except OSError as error:
        if not _is_nameless(error):
            raise
        named = OSError(f"stdout cannot be written: {str(error.strerror).lower()}; make room and start it again.")
        named.errno = error.errno
        raise named from error


def _is_nameless(error: Exception) -> bool:
    """Return whether an error of a full disk names no file yet, neither by itself nor in a message of ours."""
    return isinstance(error, OSError) and error.errno in FULL and bool(error.strerror) and not error.filename


def need_train() -> None:
    """Refuse to train without the `train` extra or with a Keras backend that cannot train.

    Raises:
        click.ClickException: with the install command, or the backends to choose from.
    """
    _need("this command", ("keras", "albumentations"), "train")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in ("tensorflow", "jax", "torch") or find_spec(backend) is None:
        raise click.ClickException(
            f"KERAS_BACKEND is {backend}, which is not installed or cannot train; use tensorflow, jax or torch."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow prints a page at start


def need_dask() -> None:
    """Refuse to use a cluster without the `dask` extra.

    Raises:
        click.ClickException: with the install command.
    """
    _need("--engine dask", ("distributed",), "dask")


def need_onnx() -> None:
    """Refuse to write ONNX files without the `onnx` extra.

    Raises:
        click.ClickException: with the install command.
    """
    _need("this command", ("onnx", "onnxruntime"), "onnx")


def need_quality() -> None:
    """Refuse to order chips by cleanlab without the `quality` extra.

    Raises:
        click.ClickException: with the install command.
    """
    _need("--order cleanlab", ("cleanlab",), "quality")


def _need(what: str, packages: tuple[str, ...], extra: str) -> None:
    """Raise click.ClickException with the install command if a package of an extra is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"{what} needs {missing[0]}, which the base install leaves out; run, in the checkout: "
            f"pip install '.[{extra}]'"
        )


def run_command_line(root: click.Command, name: str = "amazon_tags") -> None:
    """Run a command line and exit; an error that a user can cause ends in one line on stderr and its exit code."""
    progress.show_messages()
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # stay deaf where the shell set it to be ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the same bytes in every locale
    sys.exit(_run(root, name, sys.argv[1:]))


def _run(root: click.Command, name: str, arguments: list[str]) -> int:
    # Not root.main(): it has its own handling of closed pipes and of Ctrl-C.
    try:
        with root.make_context(name, arguments) as context:
            root.invoke(context)
        if sys.stdout:  # None where the shell closed it
            with naming_stdout():
                sys.stdout.flush()
    except (click.exceptions.Exit, click.ClickException) as end:
        if isinstance(end, click.ClickException):
            with _ignoring_full_stderr():
                end.show()
        return end.exit_code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt the exit
        return _report("Stopped.", 128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output, such as `head`, has ended
        _discard(sys.stdout)
        return IO_ERROR
    except FAILURES as error:
        if received_signals:  # a library has turned the signal into an error of its own
            return _report("Stopped.", 128 + received_signals[0])
        cause = _flush_stdout(error)
        return _report(f"Error: {str(cause) or 'out of memory; use fewer --jobs'}", _exit_code(cause))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # the run has unwound: raise the signal no more
    return 0


def _flush_stdout(error: Exception) -> Exception:
    """Flush stdout before the report of an error; return the flush's own error where that explains a nameless one."""
    try:
        with naming_stdout():
            if _is_of_echo(error):
                raise error
            if sys.stdout:
                sys.stdout.flush()
    except OSError as full:
        _discard(sys.stdout)
        return full if _is_nameless(error) else error
    return error


def _is_of_echo(error: Exception) -> bool:
    """Return whether `click.echo` failed on a full disk: for help and versions, or on stderr, where nobody reads it."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return _is_nameless(error) and frame.f_code is click.echo.__code__


@contextmanager
def _ignoring_full_stderr() -> Iterator[None]:
    """Give up the last line of a run if stderr cannot be written; the exit code still says how it ended."""
    try:
        yield
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO | None) -> None:
    """Send what is still buffered for a stream nowhere, or Python would report its last flush as failed."""
    if stream:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _exit_code(error: Exception) -> int:
    stated = getattr(error, "exit_code", None)  # also of errors of the packages below
    if isinstance(stated, int):
        return stated
    if isinstance(error, BlockingIOError):
        return LOCKED
    from_system = isinstance(error, OSError) and error.errno is not None  # our own OSErrors have no number
    return IO_ERROR if from_system else FAILURE


def _report(text: str, exit_code: int) -> int:
    """Print one line on stderr, and return the exit code."""
    with _ignoring_full_stderr():
        click.echo(" ".join(text.split()), err=True)
    return exit_code

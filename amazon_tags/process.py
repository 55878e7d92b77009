"""How a run of the command line ends: its exit code, one line of what went wrong, nothing half-done at a signal."""

import errno
import io
import os
import signal
import sys
from importlib.util import find_spec
from types import FrameType
from typing import NoReturn

import click

FAILURE, SKIPPED, REFUSED, DRIFTED, REJECTED, IO_ERROR, LOCKED = 1, 3, 4, 10, 20, 74, 75
PATIENCE = 3.0  # seconds that a run has to unwind, before a signal is raised in it again
raised: list[int] = []  # signals that have come
FAILURES = (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError)  # OpenVINO raises RuntimeError for all


def emit(text: str) -> None:
    """A result on stdout; click would drop it where the shell has closed that."""
    if not sys.stdout:
        raise OSError(errno.EBADF, "stdout is closed; open it")
    sys.stdout.write(text)


def catch_signals() -> None:
    """From here on a signal unwinds what was begun; before, while libraries load, it just ends the process.

    What is raised inside of a destructor or a callback of the garbage collector is lost. So it is raised again every
    few seconds, until the run has ended.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup, or where a shell has it ignored
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raised.append(number)
    signal.signal(signal.SIGALRM, lambda _number, frame: _stop(number, frame))
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    sys.unraisablehook = lambda _lost: None  # or what is lost there would be told of with a traceback
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def need_train() -> None:
    """Say what to install, or to set, where training cannot be."""
    missing = [name for name in ("keras", "albumentations") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"this command needs {missing[0]}, which the base install leaves out; run, in the checkout: "
            "pip install '.[train]'"
        )
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in ("tensorflow", "jax", "torch") or find_spec(backend) is None:
        raise click.ClickException(
            f"KERAS_BACKEND is {backend}, which is not installed or cannot train; use tensorflow, jax or torch."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length


def main(root: click.Command, name: str = "amazon_tags") -> None:
    """Run the command line; whatever a user can cause ends in one line on stderr and the documented exit code."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the same bytes in every locale
    sys.exit(_run(root, name, sys.argv[1:]))


def _run(root: click.Command, name: str, arguments: list[str]) -> int:
    # Not root.main(): that would answer a closed pipe by itself.
    try:
        with root.make_context(name, arguments) as context:
            root.invoke(context)
        if sys.stdout:  # None where the shell closed it
            sys.stdout.flush()
    except (click.exceptions.Exit, click.ClickException) as ended:
        if isinstance(ended, click.ClickException):
            ended.show()
        return ended.exit_code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the impatient press it again
        return _say("Stopped.", 128 + signal.SIGINT)
    except BrokenPipeError:  # whoever read our rows has seen enough
        if sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would fail aloud
        return IO_ERROR
    except FAILURES as error:
        if raised:  # in a library that made an error of its own of it
            return _say("Stopped.", 128 + raised[0])
        return _say(f"Error: {str(error) or 'out of memory; use fewer --jobs'}", _code(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # of a signal that has unwound the run
    return 0


def _code(error: Exception) -> int:
    if type(error).__name__ == "BundleError":  # by name: the class comes with all that a bundle needs
        return REFUSED
    if isinstance(error, BlockingIOError):
        return LOCKED
    from_system = isinstance(error, OSError) and error.errno is not None  # those that we raise ourselves have no number
    return IO_ERROR if from_system else FAILURE


def _say(text: str, code: int) -> int:
    click.echo(" ".join(text.split()), err=True)
    return code

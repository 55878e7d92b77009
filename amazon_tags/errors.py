"""How a run of the command line ends: its exit code, one line of what went wrong, nothing half-done at a signal."""

import errno
import io
import os
import signal
import sys
from importlib.util import find_spec

import click

from amazon_tags.signals import received_signals

FAILURE, SKIPPED, REFUSED, DRIFTED, REJECTED, IO_ERROR, LOCKED = 1, 3, 4, 10, 20, 74, 75
FAILURES = (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError)  # OpenVINO raises RuntimeError for all


def emit(text: str) -> None:
    """A result on stdout; click would drop it where the shell has closed that."""
    if not sys.stdout:
        raise OSError(errno.EBADF, "stdout is closed; open it")
    sys.stdout.write(text)


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


def run_command_line(root: click.Command, name: str = "amazon_tags") -> None:
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
        if received_signals:  # in a library that made an error of its own of it
            return _say("Stopped.", 128 + received_signals[0])
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

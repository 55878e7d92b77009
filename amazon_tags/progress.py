"""Messages and progress bars of a run, on stderr.

Messages go to the logger `amazon_tags`. The command line shows them on stderr (`show_messages`); a Python program that
calls the package gets them when it configures `logging`, and is left alone otherwise.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

_logger = logging.getLogger("amazon_tags")
_logger.addHandler(logging.NullHandler())


def say(text: str) -> None:
    """Log one message of a run."""
    _logger.info(text)


def show_messages() -> None:
    """Print messages on stderr from here on."""
    _logger.addHandler(_STDERR)
    _logger.setLevel(logging.INFO)


@contextmanager
def copied_to(path: Path) -> Iterator[None]:
    """Append the messages of the block to a file too, each after its time in UTC."""
    with _handled_by(_FileHandler(path)):
        yield


@contextmanager
def collected() -> Iterator[list[str]]:
    """Yield a list that gets the messages of the block."""
    handler = _ListHandler()
    with _handled_by(handler):
        yield handler.messages


@contextmanager
def _handled_by(handler: logging.Handler) -> Iterator[None]:
    level = _logger.level
    _logger.addHandler(handler)
    _logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        _logger.setLevel(level)
        _logger.removeHandler(handler)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar where stderr is a terminal; yield a function that takes how many more chips are done."""
    if not sys.stderr or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console  # noqa: PLC0415  importing rich takes 0.1 s, which only a terminal needs
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(title, total=total)
        yield lambda count: display.advance(task, count)


class _StderrHandler(logging.Handler):
    """Prints on `sys.stderr`; unlike `logging.StreamHandler` it lets errors through, so a closed pipe ends the run."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


class _FileHandler(logging.Handler):
    """Appends to a file; unlike `logging.FileHandler` it lets errors through, so a full disk ends the run."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(f"{time} {record.getMessage()}\n")


class _ListHandler(logging.Handler):
    """Appends to a list."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


_STDERR = _StderrHandler()

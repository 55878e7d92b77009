"""What a run says while it runs: on stderr, bars on a terminal only."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

_logs: list[Path] = []


def say(text: str) -> None:
    """One line on stderr, and in every log that is kept at the moment."""
    click.echo(text, err=True)
    for path in _logs:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n")


@contextmanager
def copied_to(path: Path) -> Iterator[None]:
    """What is said in the block is appended to a file, with its time in UTC."""
    _logs.append(path)
    try:
        yield
    finally:
        _logs.remove(path)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yields a function to be told how many chips more are done; shows a bar where stderr is a terminal."""
    if not sys.stderr or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console  # noqa: PLC0415  # a tenth of a second that a pipe need not pay
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=total)
        yield lambda count: shown.advance(task, count)

"""From the competition's folder to a submission: train, predict; and what each stage took.

Started again, it goes on where it was. By itself: python kaggle/produce.py data out
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

import click
import layout

from amazon_tags import progress
from amazon_tags.errors import run_command_line
from amazon_tags.files import atomic, locks
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle
from amazon_tags.signals import catch_signals

PATIENCE = 600  # seconds that a stage has to end after a signal; it writes what it has
OVER = 124  # the exit code where the hours were over, as of timeout(1)
ASKED, MADE, STAGES = "asked.json", "submission.json", "stages.json"
GIB = 2**30


@dataclass(frozen=True)
class Stage:
    """What a stage took: seconds on the clock and of all cores, the most memory of a process, and the folder after."""

    name: str
    seconds: float
    processor: float
    memory: int
    disk: int


class Stopped(Exception):  # noqa: N818  no error
    """The time was over; what is done is kept."""


def produce(
    given: Path,
    out: Path,
    recipe: str = "default",
    *,
    weights: Sequence[str] = (),
    views: int = 8,
    hours: float = inf,
) -> None:
    """Write a model and submission.csv into a folder.

    Args:
        given: the competition's folder.
        out: where to.
        recipe: of `amazon_tags train`.
        weights: of the same, BACKBONE=FILE.
        views: of `amazon_tags predict`.
        hours: after which it stops.

    Raises:
        Stopped: the hours were over.
        RuntimeError: a stage failed; it has said why.
        ValueError: chips are missing, or the folder holds the work of another command.
    """
    end = time.monotonic() + 3600 * hours
    found = layout.find(given)
    train, test = layout.verify(found)
    progress.say(f"{given}: {train:,} chips to train on, {test:,} to tag")
    out.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(out / "lock"):
        starts = {name: sha256(Path(path)) for name, _, path in (pair.partition("=") for pair in weights)}
        tables = [sha256(place) for place in (found.table, found.sample) if place]
        _refuse_other(out, {"recipe": _text(recipe), "weights": starts, "views": views, "tables": tables})
        model, submission = out / "model", out / "submission.csv"
        if not model.exists():
            (folder,) = found.train
            options = ["--recipe", recipe, *(part for pair in weights for part in ("--weights", pair))]
            note = ["--note", "the competition's training chips"]
            stage(out, "train", _command("train", folder, found.table, "-o", model, *options, *note), end)
        name = bundle.read_manifest(model).sha256
        if not made_by(submission, name):
            places = ["--journal", out / f"journal-{name[:12]}", "--scores", out / "scores.parquet", "-o", submission]
            asked = _command(
                "predict", *found.test, "--model", model, "--views", views, "--like", found.sample, *places
            )
            stage(out, "predict", asked, end)
            atomic.write_json(out / MADE, {"model": name, "submission": sha256(submission)})


def made_by(submission: Path, name: str) -> bool:
    """Whether a submission is there, and is what the model of that hash gave."""
    told = _read(submission.with_name(MADE))
    return submission.exists() and told == {"model": name, "submission": sha256(submission)}


def stages(out: Path) -> list[Stage]:
    """What the stages of a folder took, in the order in which they ended."""
    try:
        return [Stage(**entry) for entry in _read(out / STAGES) or []]
    except TypeError as error:
        raise ValueError(f"{out / STAGES} is damaged ({error}); remove it and start again.") from error


def table(told: list[Stage]) -> str:
    """The stages as a table of Markdown."""
    rows = [
        f"| {s.name} | {s.seconds:,.0f} s | {s.processor:,.0f} s | {s.memory / GIB:.2f} GiB | {s.disk / GIB:.2f} GiB |"
        for s in told
    ]
    head = "| stage | on the clock | of all cores | most memory | folder after |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows)


def stage(out: Path, name: str, line: list[str], end: float = inf) -> None:
    """One command line; what it took is appended to the folder's record.

    Raises:
        Stopped: it was not done at `end`, of the clock `time.monotonic`, and was stopped.
        RuntimeError: it failed.
    """
    before, start, over = stages(out), time.monotonic(), False
    progress.say(f"{name}:")
    child = subprocess.Popen(line, stdout=sys.stderr)
    try:
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                child.send_signal(signal.SIGKILL if over else signal.SIGTERM)
                over, end = True, time.monotonic() + PATIENCE
            time.sleep(0.2)
    except BaseException:  # a signal for us is one for it
        signal.setitimer(signal.ITIMER_REAL, 0)  # or it would be raised again while we wait
        child.terminate()
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    child.returncode = os.waitstatus_to_exitcode(status)
    stopped = over and child.returncode != 0
    disk = sum(path.lstat().st_size for path in out.rglob("*") if path.is_file())
    told = f"{name}, stopped" if stopped else name
    done = Stage(told, time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, disk)
    atomic.write_json(out / STAGES, [asdict(entry) for entry in [*before, done]])
    if stopped:
        raise Stopped(f"the time is over: {name} was stopped, and what it has done is in {out}")
    if child.returncode:
        raise RuntimeError(f"{name} ended with {child.returncode}; what it said stands before this.")


def _command(*words: object) -> list[str]:
    return [sys.executable, "-m", "amazon_tags", *map(str, words)]


def _text(recipe: str) -> str:
    """A recipe's file or, of those that are shipped, its name."""
    return Path(recipe).read_text(encoding="utf-8") if Path(recipe).is_file() else recipe


def _refuse_other(out: Path, asked: dict[str, Any]) -> None:
    """Refuse a folder that holds the work of another command; write down what is asked in one that holds none."""
    before = _read(out / ASKED)
    if before is None:
        atomic.write_json(out / ASKED, asked)
    elif before != asked:
        other = ", ".join(key for key in asked if not isinstance(before, dict) or before.get(key) != asked[key])
        raise ValueError(f"{out} was begun with other {other}; name another folder, or remove this one.")


def _read(place: Path) -> Any:
    try:
        return json.loads(place.read_bytes()) if place.exists() else None
    except ValueError as error:
        raise ValueError(f"{place} is damaged ({error}); remove it and start again.") from error


@click.command()
@click.argument("given", metavar="DATA", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--recipe", default="default", show_default=True, help="Of amazon_tags train.")
@click.option("--weights", multiple=True, metavar="BACKBONE=FILE", help="Of amazon_tags train.")
@click.option("--views", type=click.IntRange(1, 8), default=8, show_default=True, help="Of amazon_tags predict.")
@click.option("--hours", type=click.FloatRange(0), default=inf, help="Stop after so many, to go on another time.")
def main(given: Path, out: Path, recipe: str, weights: tuple[str, ...], views: int, hours: float) -> None:
    """Train on the chips of DATA, tag its test chips, and write OUT/submission.csv.

    Ends with 124 if the hours were over.

    Example: python kaggle/produce.py data out
    """
    catch_signals()
    try:
        produce(given, out, recipe, weights=weights, views=views, hours=hours)
    except Stopped as stopped:
        progress.say(f"{stopped}; start again to go on")
        sys.exit(OVER)
    progress.say(table(stages(out)))
    progress.say(f"{out / 'submission.csv'} is ready: python kaggle/submit.py {out / 'submission.csv'}")


if __name__ == "__main__":
    run_command_line(main, "produce.py")

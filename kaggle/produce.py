"""From the competition's folder to a submission: train, predict, pack; and what each stage took.

Started again, it goes on where it was. By itself: python kaggle/produce.py data out
"""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

import click

from amazon_tags import files, process, progress

PATIENCE = 600  # seconds that a stage has to end after a signal; it writes what it has
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
    """Write model, submission.csv and submission.csv.zip into a folder.

    Args:
        given: the competition's folder, as fetch.py leaves it.
        out: where to.
        recipe: of `amazon_tags train`.
        weights: of the same, BACKBONE=FILE.
        views: of `amazon_tags predict`.
        hours: after which it stops.

    Raises:
        Stopped: the hours were over.
        RuntimeError: a stage failed; it has said why.
    """
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 3600 * hours
    sample, model, submission = given / "sample_submission_v2.csv", out / "model", out / "submission.csv"
    chips = [given / name for name in ("test-jpg", "test-jpg-additional") if (given / name).exists()]
    with files.lock(out / "lock"):
        if not model.exists():
            training = [given / "train-jpg", given / "train_v2.csv", "-o", model, "--recipe", recipe]
            starts = [part for pair in weights for part in ("--weights", pair)]
            _command(out, "train", [*training, *starts, "--note", "the competition's training chips"], end)
        if not submission.exists():
            asked = ["--model", model, "--views", views, "--like", sample]
            _command(out, "predict", [*chips, *asked, "--journal", out / "journal", "-o", submission], end)
        with files.atomic(out / "submission.csv.zip") as stream, zipfile.ZipFile(stream, "w") as packed:
            packed.write(submission, submission.name, zipfile.ZIP_DEFLATED)


def stages(out: Path) -> list[Stage]:
    """What the stages of a folder took, in the order in which they ended."""
    place = out / "stages.json"
    return [Stage(**entry) for entry in json.loads(place.read_bytes())] if place.exists() else []


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
    start = time.monotonic()
    child = subprocess.Popen(line, stdout=sys.stderr)
    over, status, used = False, 0, None
    try:
        while used is None:
            pid, status, seen = os.wait4(child.pid, os.WNOHANG)
            if pid:
                used = seen
            elif not over and time.monotonic() > end:
                over = True
                child.send_signal(signal.SIGTERM)
            else:
                time.sleep(0.2)
    except BaseException:  # a signal for us is one for it
        child.send_signal(signal.SIGTERM)
        child.wait(PATIENCE)
        raise
    child.returncode = os.waitstatus_to_exitcode(status)
    if over and child.returncode:
        raise Stopped(f"the time is over: {name} was stopped, and what it has done is in {out}")
    if child.returncode:
        raise RuntimeError(f"{name} ended with {child.returncode}; what it said stands before this.")
    disk = sum(path.lstat().st_size for path in out.rglob("*") if path.is_file())
    done = Stage(name, time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, disk)
    files.write_json(out / "stages.json", [asdict(entry) for entry in [*stages(out), done]])


def _command(out: Path, name: str, arguments: list[object], end: float) -> None:
    progress.say(f"amazon_tags {name}")
    stage(out, name, [sys.executable, "-m", "amazon_tags", name, *map(str, arguments)], end)


@click.command()
@click.argument("given", metavar="DATA", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--recipe", default="default", show_default=True, help="Of amazon_tags train.")
@click.option("--weights", multiple=True, metavar="BACKBONE=FILE", help="Of amazon_tags train.")
@click.option("--views", type=click.IntRange(1, 8), default=8, show_default=True, help="Of amazon_tags predict.")
@click.option("--hours", type=click.FloatRange(0), default=inf, help="Stop after so many, to go on another time.")
def main(given: Path, out: Path, recipe: str, weights: tuple[str, ...], views: int, hours: float) -> None:
    """Train on the chips of DATA, tag its test chips, and write OUT/submission.csv.

    Ends with 75 if the hours were over.

    Example: python kaggle/produce.py data out
    """
    process.catch_signals()
    try:
        produce(given, out, recipe, weights=weights, views=views, hours=hours)
    except Stopped as stopped:
        progress.say(f"{stopped}; start again to go on")
        sys.exit(process.LOCKED)
    progress.say(table(stages(out)))
    progress.say(f"{out / 'submission.csv'} is ready: python kaggle/submit.py {out}")


if __name__ == "__main__":
    process.main(main)

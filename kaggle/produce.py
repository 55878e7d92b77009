"""Train a model on the competition's folder, tag its test chips, and measure time, memory and disk space.

Started again, it resumes. Usage: python kaggle/produce.py data out
"""

import json
import os
import resource
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

SECONDS_TO_STOP = 600  # that a stage has after a signal, to save its work
SECONDS_BETWEEN_CHECKS = 0.2  # of a running stage
TIME_IS_UP = 124  # exit code, as of timeout(1)
REQUEST_FILE, SUBMISSION_FILE, STAGES_FILE = "asked.json", "submission.json", "stages.json"
GIB = 2**30


@dataclass(frozen=True)
class Stage:
    """What a stage used.

    Attributes:
        name: `train` or `predict`.
        seconds: on the clock.
        processor: seconds of all cores together.
        memory: largest resident memory of a process, in bytes.
        disk: size of the output folder afterwards, in bytes.
    """

    name: str
    seconds: float
    processor: float
    memory: int
    disk: int


class TimeIsUp(Exception):  # noqa: N818  not an error: the work is saved
    """The time is up; a later run resumes."""


def produce(
    data: Path,
    output: Path,
    recipe: str = "default",
    *,
    weights: Sequence[str] = (),
    views: int = 8,
    hours: float = inf,
) -> None:
    """Write a model and submission.csv into a folder.

    Args:
        data: the competition's folder.
        output: the folder to write into.
        recipe: of `amazon_tags train`.
        weights: of `amazon_tags train`, BACKBONE=FILE.
        views: of `amazon_tags predict`.
        hours: stop after this time.

    Raises:
        TimeIsUp: the run was stopped; start it again to resume.
        RuntimeError: a stage failed; it has printed why.
        ValueError: chips are missing, or the folder has the work of another command.
    """
    end = time.monotonic() + 3600 * hours
    files = layout.find(data)
    train, test = layout.verify(files)
    progress.say(f"{data}: {train:,} chips to train on, {test:,} to tag")

    output.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(output / "lock"):
        weight_hashes = {name: sha256(Path(path)) for name, _, path in (pair.partition("=") for pair in weights)}
        tables = [sha256(path) for path in (files.table, files.sample) if path]
        request = {"recipe": _recipe_text(recipe), "weights": weight_hashes, "views": views, "tables": tables}
        _refuse_other(output, request)

        model, submission = output / "model", output / "submission.csv"
        if not model.exists():
            options = ["--recipe", recipe, *(part for pair in weights for part in ("--weights", pair))]
            note = ["--note", "the competition's training chips"]
            command = _command("train", *files.train, files.table, "-o", model, *options, *note)
            run_stage(output, "train", command, end)

        name = bundle.read_manifest(model).sha256
        if not is_by(submission, name):
            inputs = ["--model", model, "--views", views, "--like", files.sample]
            outputs = ["--scores", output / "scores.parquet", "-o", submission]
            command = _command(
                "predict", *files.test, *inputs, "--checkpoint", output / f"journal-{name[:12]}", *outputs
            )
            run_stage(output, "predict", command, end)
            atomic.write_json(output / SUBMISSION_FILE, {"model": name, "submission": sha256(submission)})


def is_by(submission: Path, name: str) -> bool:
    """Return whether a submission exists and was written with the model of this hash."""
    record = _read_json(submission.with_name(SUBMISSION_FILE))
    return submission.exists() and record == {"model": name, "submission": sha256(submission)}


def read_stages(output: Path) -> list[Stage]:
    """Return the recorded stages of a folder, in the order in which they ended."""
    try:
        return [Stage(**entry) for entry in _read_json(output / STAGES_FILE) or []]
    except TypeError as error:
        raise ValueError(f"{output / STAGES_FILE} is damaged ({error}); remove it and start again.") from error


def stages_table(stages: Sequence[Stage]) -> str:
    """Return the stages as a Markdown table."""
    rows = [
        f"| {s.name} | {s.seconds:,.0f} s | {s.processor:,.0f} s | {s.memory / GIB:.2f} GiB | {s.disk / GIB:.2f} GiB |"
        for s in stages
    ]
    head = "| stage | wall time | processor time | peak memory | folder size |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows)


def run_stage(output: Path, name: str, command: list[str], end: float = inf) -> None:
    """Run one command, and add what it used to the folder's record.

    Args:
        output: the folder.
        name: of the stage.
        command: the program and its arguments.
        end: time on the clock `time.monotonic` at which to stop it.

    Raises:
        TimeIsUp: the command was stopped at `end`.
        RuntimeError: the command failed.
    """
    earlier, start = read_stages(output), time.monotonic()
    progress.say(f"{name}:")
    exit_code, usage, timed_out = _wait(subprocess.Popen(command, stdout=sys.stderr), end)

    stopped = timed_out and exit_code != 0
    title = f"{name}, stopped" if stopped else name
    disk = sum(path.lstat().st_size for path in output.rglob("*") if path.is_file())
    processor, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    stages = [*earlier, Stage(title, time.monotonic() - start, processor, memory, disk)]
    atomic.write_json(output / STAGES_FILE, [asdict(stage) for stage in stages])

    if stopped:
        raise TimeIsUp(f"the time is up: {name} was stopped, and its work so far is in {output}")
    if exit_code:
        raise RuntimeError(f"{name} ended with exit code {exit_code}; its messages are above.")


def _wait(child: "subprocess.Popen[bytes]", end: float) -> tuple[int, resource.struct_rusage, bool]:
    """Wait for a process, and stop it at `end`; return its exit code, its usage, and whether it was stopped."""
    timed_out = False
    try:
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)  # unlike `Popen.wait` it measures the process
            if pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                return child.returncode, usage, timed_out
            if time.monotonic() > end:
                child.send_signal(signal.SIGKILL if timed_out else signal.SIGTERM)
                timed_out, end = True, time.monotonic() + SECONDS_TO_STOP
            time.sleep(SECONDS_BETWEEN_CHECKS)
    except BaseException:  # a signal to this process must stop the child too
        signal.setitimer(signal.ITIMER_REAL, 0)  # or the signal is raised again during the wait
        child.terminate()
        try:
            child.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise


def _command(*words: object) -> list[str]:
    return [sys.executable, "-m", "amazon_tags", *map(str, words)]


def _recipe_text(recipe: str) -> str:
    """Return the content of a recipe file, or the name of a packaged recipe."""
    return Path(recipe).read_text(encoding="utf-8") if Path(recipe).is_file() else recipe


def _refuse_other(output: Path, request: dict[str, Any]) -> None:
    """Refuse a folder with the work of another command; record the request in a new folder."""
    earlier = _read_json(output / REQUEST_FILE)
    if earlier is None:
        atomic.write_json(output / REQUEST_FILE, request)
    elif earlier != request:
        keys = [key for key in request if not isinstance(earlier, dict) or earlier.get(key) != request[key]]
        raise ValueError(f"{output} was started with other {', '.join(keys)}; name another folder, or remove this one.")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes()) if path.exists() else None
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and start again.") from error


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", metavar="OUT", type=click.Path(file_okay=False, path_type=Path))
@click.option("--recipe", default="default", show_default=True, help="Of amazon_tags train.")
@click.option("--weights", multiple=True, metavar="BACKBONE=FILE", help="Of amazon_tags train.")
@click.option("--views", type=click.IntRange(1, 8), default=8, show_default=True, help="Of amazon_tags predict.")
@click.option("--hours", type=click.FloatRange(0), default=inf, help="Stop after this time; start again to resume.")
def main(data: Path, output: Path, recipe: str, weights: tuple[str, ...], views: int, hours: float) -> None:
    """Train on the chips of DATA, tag its test chips, and write OUT/submission.csv.

    Ends with exit code 124 if --hours were not enough.

    Example: python kaggle/produce.py data out
    """
    catch_signals()
    try:
        produce(data, output, recipe, weights=weights, views=views, hours=hours)
    except TimeIsUp as stop:
        progress.say(f"{stop}; start again to resume")
        sys.exit(TIME_IS_UP)
    progress.say(stages_table(read_stages(output)))
    progress.say(f"{output / 'submission.csv'} is ready: python kaggle/submit.py {output / 'submission.csv'}")


if __name__ == "__main__":
    run_command_line(main, "produce.py")

"""Jobs on rendered chips and a toy network, and runs of them in processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amazon_tags.datasets import sample, sample_competition
from tests import processes
from tests import world as worlds

PATIENCE_SECONDS = 600  # a run takes some 10 s alone; on a busy machine, many times that

RECIPE = """
folds = 2
side = 64
decision = "flat"
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
weights = "none"
head = "ridge"
"""
LOOSE = """
[gate]
margin = 1.0
worse = 1.0
recall = 1.0
stability = 100.0
growth = 100.0
disagreement = 1.0
gone = 1.0
"""
KILLED = """
original = {function}
def killed(*arguments, **options):
    if {after}:
        original(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
{function} = killed
"""


def render(folder: Path, table: Path, first: int, count: int) -> None:
    """Add rendered chips to a folder, and write a table of all its chips."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        pixels = sample.render(worlds.tags(number), seed=number, side=worlds.SIDE)
        (folder / f"chip_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
    rows = [f"chip_{number},{' '.join(worlds.tags(number))}" for number in range(first + count)]
    table.write_text("\n".join(["image_name,tags", *rows]) + "\n")


def write_job(home: Path) -> None:
    """Write a job with 60 rendered chips into a folder."""
    render(home / "chips", home / "labels.csv", 0, 60)
    (home / "toy.toml").write_text(RECIPE)
    (home / "job.toml").write_text('recipe = "toy.toml"\n[[data]]\nchips = "chips"\ntable = "labels.csv"\n' + LOOSE)


def command(home: Path) -> list[str]:
    """Return the command that runs the job."""
    return [sys.executable, "-m", "amazon_tags", "retrain", str(home / "job.toml")]


def script(home: Path, patch: str) -> str:
    """Return Python code that runs `patch` and then the job, and prints the outcome."""
    return f"""
import os, signal, sys
from pathlib import Path
from amazon_tags.files import folders
from amazon_tags.model import bundle, bundle_writer, registry
from amazon_tags.retraining import data_checks, job_data, ledger, model_checks, retrain as retraining
from amazon_tags.training import train as training
{patch}
print(retraining.retrain(Path({str(home / "job.toml")!r})).outcome)
"""


@contextmanager
def started(words: list[str], *, stdin: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a process; when the block ends, whatever happened in it, the process has ended and its pipes are closed."""
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def finish(process: subprocess.Popen[str], what: str, text: str | None = None) -> tuple[str, str]:
    """Send text to a process, wait for its end, and return its stdout and stderr; `what` names what is waited for."""
    try:
        return process.communicate(text, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        rows, errors = process.communicate()
        pytest.fail(f"waited {PATIENCE_SECONDS} s for {what}; stdout: {rows!r}, stderr: {errors!r}")


def kill_run(home: Path, function: str, *, after: bool) -> None:
    """Run the job in a process that kills itself when it calls a function, before or after the call's work."""
    patch = KILLED.format(function=function, after=after)
    done = processes.run_code(script(home, patch), timeout=PATIENCE_SECONDS)
    assert (done.returncode, done.stdout) == (-9, ""), (function, after, done.stderr)

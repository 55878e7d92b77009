"""Chips that the workers of a Dask cluster tag, on this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import psutil
import pytest

from amazon_tags.cluster import Cluster
from amazon_tags.prediction.dask_engine import predict_on_cluster
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, tag_chips
from features.images import listing

CHIPS = 3000  # three parts


@pytest.fixture(scope="module")
def chips(world, tmp_path_factory):
    """Chips, of which two are damaged."""
    folder = tmp_path_factory.mktemp("cluster") / "chips"
    folder.mkdir()
    sources = list(listing.chips([world.train_jpg]))
    for number in range(CHIPS):
        os.link(sources[number % len(sources)], folder / f"chip_{number}.jpg")
    for number in (5, 2500):
        (folder / f"chip_{number}.jpg").unlink()
        (folder / f"chip_{number}.jpg").write_bytes(b"no chip")
    return folder


@pytest.fixture(scope="module")
def expected(chips, model, tmp_path_factory):
    """What one process writes."""
    paths = outputs(tmp_path_factory.mktemp("alone") / "files")
    tag_chips([chips], paths, model=model, options=TagOptions(on_error="skip"))
    return written(paths)


def outputs(folder):
    folder.mkdir()
    return OutputPaths(folder / "tags.csv", folder / "scores.parquet", folder / "errors.jsonl")


def written(paths):
    return [path.read_bytes() for path in (paths.tags, paths.scores, paths.errors)]


def on_cluster(chips, model, checkpoint, folder, cluster=None):
    paths = outputs(folder)
    options = TagOptions(on_error="skip", checkpoint=checkpoint, jobs=2)
    summary = predict_on_cluster([chips], paths, cluster or Cluster(), model=model, options=options)
    assert (summary.chips, summary.unusable) == (CHIPS, 2)
    return written(paths)


@pytest.mark.slow
def test_workers_that_are_killed_change_no_byte(chips, model, expected, tmp_path):
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(1) and len(killed) < 4:
            if not (tmp_path / "run" / "journal.json").exists():
                continue  # the first worker has not begun
            children = psutil.Process().children(recursive=True)
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            if workers:
                killed.append(workers[-1].pid)
                workers[-1].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert on_cluster(chips, model, tmp_path / "run", tmp_path / "files") == expected
    finally:
        ended.set()
        killer.join()
    assert killed


@pytest.mark.slow
def test_a_run_whose_scheduler_was_lost_goes_on(chips, model, expected, tmp_path):
    with running_cluster(tmp_path) as (scheduler, address):
        loser = threading.Thread(target=lose, args=(scheduler, tmp_path / "run"))
        loser.start()
        with pytest.raises(ConnectionError, match="run the same command again"):
            on_cluster(chips, model, tmp_path / "run", tmp_path / "lost", Cluster(address))
        loser.join()
    assert not (tmp_path / "lost" / "tags.csv").exists()
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.parquet")}
    assert 0 < len(finished) < 3
    assert on_cluster(chips, model, tmp_path / "run", tmp_path / "again") == expected
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


@contextmanager
def running_cluster(folder):
    """Give the process of a scheduler with one worker, and its address."""

    def start(name: str, *words: object) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{name}", *map(str, words), "--no-dashboard"]
        return subprocess.Popen(command, cwd=folder)

    file = folder / "scheduler.json"
    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)]
    try:
        while not file.exists():
            time.sleep(0.1)
        processes.append(start("dask_worker", "--scheduler-file", file, "--nworkers", 1, "--no-nanny"))
        yield processes[0], json.loads(file.read_text())["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def lose(scheduler: subprocess.Popen, run) -> None:
    """Kill a scheduler when the first part is there."""
    while not list(run.glob("*.parquet")):
        time.sleep(0.02)
    scheduler.kill()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--engine", "dask"], "needs --checkpoint"),
        (["--engine", "dask", "--checkpoint", "run", "--shard", "1/2"], "leave out --shard"),
        (["--engine", "dask", "--checkpoint", "run", "--html", "page.html"], "amazon_tags gallery"),
        (["--scheduler", "localhost:8786"], "are for --engine dask"),
        (["--shard", "1/2"], "needs --checkpoint"),
        (["--shard", "1/2", "--checkpoint", "run", "-o", "tags.csv"], "pass -o to amazon_tags merge"),
        (["--shard", "3/2", "--checkpoint", "run"], "must be i/n"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(run, world, words, reason):
    done = run("predict", world.test_jpg, *words)
    assert done.returncode == 2
    assert reason in done.stderr

"""Measure what dividing a run costs, check that it changes no byte, and extrapolate to all chips of the Amazon basin.

    python -m tests.benchmarks.shards [CHIPS.tar] [--count 8000] [--parts 10000] [--kills 20]

CHIPS is an archive, by default the aerial chips in the folder that AMAZON_TAGS_DATA names. Its first `--count` chips
are tagged by one process, by shards in random order of which two run twice, by one and two workers of a Dask cluster,
and by workers of which one is killed `--kills` times. Then a checkpoint of `--parts` parts is merged.
"""

import argparse
import contextlib
import hashlib
import heapq
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from amazon_tags.cluster import Cluster, Task, connect, run_tasks
from amazon_tags.files import atomic
from amazon_tags.prediction import part_files, run_key
from amazon_tags.prediction.part_files import CHIPS_A_PART
from tests.benchmarks import tables
from tests.benchmarks.end_to_end import Cost, run

PREDICT = (sys.executable, "-m", "amazon_tags", "predict")
MERGE = (sys.executable, "-m", "amazon_tags", "merge")
COMMON = ("--precision", "f32")
SHARDS = 5
EMPTY_TASKS = 1000
KILLS_A_RUN = 4  # more would let a run of three parts never end
BASIN_CHIPS, BASIN_WORKERS = 9_300_000, 32
SLOW_SHARE, SLOWNESS = 0.05, 4.0  # of the parts, those that take several times as long
DEATHS_AN_HOUR = 0.05  # of a worker; it is back after a minute, and its part begins again
RESTART_SECONDS = 60.0


def unpack(archive: Path, count: int, folder: Path) -> Path:
    """Write the first chips of an archive into a folder."""
    folder.mkdir()
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.isfile()][:count]
        for member in members:
            stream = tar.extractfile(member)
            if stream:
                (folder / Path(member.name).name).write_bytes(stream.read())
    return folder


def on_cluster(chips: Path, folder: Path, workers: int) -> tuple[str, ...]:
    """Return the command of a run on a cluster of its own."""
    cluster = ("--engine", "dask", "--jobs", str(workers), "--checkpoint", str(folder / f"dask{workers}"))
    return (*PREDICT, str(chips), *COMMON, *cluster)


def in_shards(chips: Path, folder: Path) -> str:
    """Return the submission of shards that run in random order, two of them twice."""
    rng = random.Random(0)  # noqa: S311
    numbers = rng.sample(range(1, SHARDS + 1), SHARDS)
    for number in [*numbers, *numbers[:2]]:
        run(*PREDICT, str(chips), *COMMON, "--checkpoint", str(folder), "--shard", f"{number}/{SHARDS}")
    return run(*MERGE, str(folder)).output


def with_kills(chips: Path, folder: Path, kills: int, expected: str) -> str:
    """Run on two workers, of which one is killed at random moments, until so many were; return what came of it."""
    rng, killed, runs, same = random.Random(0), 0, 0, 0  # noqa: S311
    while killed < kills:
        scratch = folder / f"killed{runs}"
        scratch.mkdir()
        with subprocess.Popen(
            on_cluster(chips, scratch, 2), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            left = min(KILLS_A_RUN, kills - killed)
            while process.poll() is None and left:
                time.sleep(rng.uniform(0.5, 3))
                workers = _workers(process.pid) if (scratch / "dask2" / run_key.RUN_FILE).exists() else []
                if workers:
                    rng.choice(workers).send_signal(signal.SIGKILL)
                    killed, left = killed + 1, left - 1
            same += process.communicate()[0] == expected
        runs += 1
    return f"workers killed {killed} times in {runs} runs: {same} of {runs} with the same bytes"


def _workers(pid: int) -> list[psutil.Process]:
    """Return the processes of a cluster's workers; none if the cluster has ended."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def compare(chips: Path, count: int, kills: int, folder: Path) -> float:
    """Print what each way costs and whether its bytes are those of one process; return the seconds of a part."""
    ways: dict[str, tuple[Cost, bool]] = {}
    alone = run(*PREDICT, str(chips), *COMMON, "--jobs", "1")
    ways["one process, one thread"] = (alone, True)
    for workers in (1, 2):
        cost = run(*on_cluster(chips, folder, workers))
        ways[f"Dask, {workers} worker{'s' if workers > 1 else ''} of one thread"] = (cost, cost.output == alone.output)
    print(f"| way | seconds | chips/s | processor seconds | same bytes |\n{'|---' * 5}|")
    for name, (cost, same) in ways.items():
        speed = f"{cost.seconds:.1f} | {count / cost.seconds:.0f} | {cost.processor_seconds:.1f}"
        print(f"| {name} | {speed} | {'yes' if same else 'NO'} |")

    shards = in_shards(chips, folder / "shards") == alone.output
    print(f"\n{SHARDS} shards in random order, two of them twice: {'the same bytes' if shards else 'OTHER BYTES'}.")
    print(f"Two workers, {with_kills(chips, folder, kills, alone.output)}.\n")
    return alone.seconds / count * CHIPS_A_PART


def measure_overhead(chips: Path, part_seconds: float, folder: Path) -> None:
    """Print what a cluster costs beside the scores: its start, each of its tasks, and its memory."""
    checkpoint = ("--checkpoint", str(folder / "dask1"))  # of finished parts, so that nothing is scored
    finished = run(*on_cluster(chips, folder, 1))
    plain = run(*PREDICT, str(chips), *COMMON, "--jobs", "1", *checkpoint)
    print(
        f"With all parts finished, Dask takes {finished.seconds:.1f} s and one process {plain.seconds:.1f} s; the "
        "difference is the start of scheduler and worker."
    )
    with connect(Cluster(workers=1)) as client:
        tasks = [Task(f"part {number}", abs, (number,)) for number in range(EMPTY_TASKS)]
        list(run_tasks(client, tasks[:1]))  # the worker imports what it needs
        started = time.perf_counter()
        list(run_tasks(client, tasks))
        seconds = (time.perf_counter() - started) / EMPTY_TASKS
    print(
        f"{EMPTY_TASKS:,} empty tasks take {seconds * 1000:.1f} ms each, {seconds / part_seconds:.2%} of the "
        f"{part_seconds:.1f} s of a part."
    )
    shutil.rmtree(folder / "dask2")
    own, workers = peaks(on_cluster(chips, folder, 2))
    print(f"Peak memory: command and scheduler {own:.0f} MiB, a worker {workers:.0f} MiB.\n")


def peaks(command: tuple[str, ...]) -> tuple[float, float]:
    """Return the largest resident memory of a run's own process and of one of its workers, in MiB."""
    own = largest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):  # a process has just ended
                own = max(own, psutil.Process(process.pid).memory_info().rss)
                largest = max([largest, *(worker.memory_info().rss for worker in _workers(process.pid))])
            time.sleep(0.1)
    return own / 2**20, largest / 2**20


def write_parts(source: Path, target: Path, parts: int) -> None:
    """Write a checkpoint of many parts, whose scores are those of the first part of another one."""
    key = run_key.read_key(source / run_key.RUN_FILE)
    labels = bundle_labels()
    scored = part_files.read_named_part(part_files.list_parts(source)[0][1], labels, 3)
    names = [f"chip_{row}" for row in range(parts * CHIPS_A_PART)]
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    key = replace(key, chips=digest, count=len(names))

    target.mkdir()
    atomic.write_json(target / run_key.RUN_FILE, vars(key))
    for number in range(parts):
        ids = names[number * CHIPS_A_PART : (number + 1) * CHIPS_A_PART]
        part = replace(scored, ids=ids, files=ids)
        part_files.write_part(target / f"{number:06}-{number:032x}.parquet", part, labels, key)


def bundle_labels() -> tuple[str, ...]:
    """Return the labels of the bundled model."""
    from amazon_tags.model import bundle  # noqa: PLC0415

    return tuple(bundle.read_manifest(bundle.DEFAULT).space.names)


def simulate(part_seconds: float, parts: int, seed: int) -> float:
    """Return the hours that workers need for parts, with slow parts and workers that die (discrete events)."""
    rng = np.random.default_rng(seed)
    free = [0.0] * BASIN_WORKERS
    heapq.heapify(free)
    left, end = parts, 0.0
    while left:
        now = heapq.heappop(free)
        seconds = part_seconds * (SLOWNESS if rng.random() < SLOW_SHARE else 1) * rng.lognormal(0, 0.1)
        dies = rng.exponential(3600 / DEATHS_AN_HOUR)
        if dies < seconds:
            heapq.heappush(free, now + dies + RESTART_SECONDS)
            continue
        left -= 1
        end = max(end, now + seconds)
        heapq.heappush(free, now + seconds)
    return end / 3600


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(os.environ.get("AMAZON_TAGS_DATA", "."))
    parser.add_argument("chips", type=Path, nargs="?", default=root / "aerial_8000x128.tar")
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    tables.add_options(parser)
    options = parser.parse_args()

    data = f"the first {options.count:,} chips of {options.chips.name}"
    with tempfile.TemporaryDirectory() as scratch, tables.recorded(options, script="shards", data=data):
        folder = Path(scratch)
        chips = unpack(options.chips, options.count, folder / "chips")
        part_seconds = compare(chips, options.count, options.kills, folder)
        measure_overhead(chips, part_seconds, folder)

        write_parts(folder / "dask1", folder / "many", options.parts)
        merged = run(*MERGE, str(folder / "many"), "-o", str(folder / "merged.csv"))
        shutil.rmtree(folder / "many")
        print(
            f"Merging {options.parts:,} parts of {CHIPS_A_PART:,} chips: {merged.seconds:.0f} s, peak "
            f"{merged.peak_mib:.0f} MiB.\n"
        )

        parts = part_files.part_count(BASIN_CHIPS)
        hours = statistics.fmean(simulate(part_seconds, parts, seed) for seed in range(10))
        print(
            f"Simulated, {BASIN_CHIPS:,} such chips on {BASIN_WORKERS} workers of one thread ({part_seconds:.1f} s a "
            f"part, {SLOW_SHARE:.0%} of the parts {SLOWNESS:.0f} times as slow, a worker dies {DEATHS_AN_HOUR:g} times "
            f"an hour): {hours:.2f} hours; {parts * part_seconds / BASIN_WORKERS / 3600:.2f} without either."
        )


if __name__ == "__main__":
    main()

"""Test a registry of models under kills and under readers, on rendered chips and a toy network.

    python -m tests.benchmarks.upkeep [--kills 50] [--moves 20] [--readers 8]

Runs of `amazon_tags retrain` are killed at random moments: after each kill the current model must verify, and the next
run must end without an error. Then `amazon_tags predict --model REGISTRY` runs in a loop while the registry's pointers
move: the scores of each run must have the same bytes as those of one of the two models.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from amazon_tags.datasets import sample
from amazon_tags.model import bundle, registry
from tests.benchmarks import tables

CHIPS, READ_CHIPS = 60, 20
SECONDS_BETWEEN_MOVES = 0.5  # about a third of a reader's run, so that a pointer moves in each
AMAZON_TAGS = [sys.executable, "-m", "amazon_tags"]
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
JOB = """
recipe = "toy.toml"
[[data]]
chips = "chips"
table = "labels.csv"
[gate] # every candidate passes
margin = 1.0
worse = 1.0
recall = 1.0
stability = 100.0
growth = 100.0
disagreement = 1.0
gone = 1.0
"""


def write_job(home: Path) -> None:
    """Write a job's files into a folder: rendered chips, labels, recipe."""
    sample.write(home / "chips", CHIPS)
    (home / "labels.csv").write_bytes((home / "chips" / "labels.csv").read_bytes())
    (home / "toy.toml").write_text(RECIPE, encoding="utf-8")
    (home / "job.toml").write_text(JOB, encoding="utf-8")


def remove_last_rows(table: Path, count: int) -> None:
    """Remove rows from a table's end: a change of the data, so that `retrain` has something to do."""
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(rows[: len(rows) - count]) + "\n", encoding="utf-8")


def state_of(runs: Path) -> str:
    """Return how far the newest run has come."""
    folder = max(runs.glob("[0-9]*"))
    if (folder / "run.json").exists():
        return "before a run began"
    return "with a candidate" if (folder / "candidate").exists() else "in training"


def measure_kills(home: Path, kills: int) -> None:
    """Kill runs, verify the current model, resume, and print what the kills interrupted."""
    command = [*AMAZON_TAGS, "retrain", str(home / "job.toml")]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - start

    original = (home / "labels.csv").read_bytes()
    rng = np.random.default_rng(0)
    states = Counter[str]()
    for number in range(kills):
        (home / "labels.csv").write_bytes(original)
        remove_last_rows(home / "labels.csv", 1 + number % 2)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(rng.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.kill()

        states[state_of(home / "runs")] += 1
        bundle.verify(home / "models" / str(registry.pointers(home / "models").current))
        subprocess.run(command, check=True, capture_output=True)

    print(
        f"After each of {kills} kills of `retrain` the current model verified, and the next run ended without error.\n"
    )
    print("| killed | runs |\n|---|---|")
    for state, count in sorted(states.items()):
        print(f"| {state} | {count} |", flush=True)


def expected_scores(home: Path, chips: list[str]) -> set[bytes]:
    """Return the score tables of the current and of the previous model."""
    pointers = registry.pointers(home / "models")
    result = set()
    for name in (pointers.current, pointers.previous):
        output = home / f"{name}.csv"
        command = [
            *AMAZON_TAGS,
            "predict",
            *chips,
            "--model",
            str(home / "models" / str(name)),
            "--scores",
            str(output),
        ]
        subprocess.run(command, check=True, capture_output=True)
        result.add(output.read_bytes())
    return result


def measure_readers(home: Path, moves: int, readers: int) -> None:
    """Move the pointers while models are read, and print how many reads failed."""
    models = home / "models"
    remove_last_rows(home / "labels.csv", 5)
    subprocess.run([*AMAZON_TAGS, "retrain", str(home / "job.toml")], check=True, capture_output=True)
    chips = [str(path) for path in sorted((home / "chips").glob("*.jpg"))[:READ_CHIPS]]
    expected = expected_scores(home, chips)

    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    started = finished = failed = moved = 0
    while moved < moves or running:
        while moved < moves and len(running) < readers:
            output = home / f"reader_{started}.csv"
            command = [*AMAZON_TAGS, "predict", *chips, "--model", str(models), "--scores", str(output)]
            running.append((subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), output))
            started += 1
        if moved < moves:
            registry.rollback(models, why="benchmark")
            moved += 1
            time.sleep(SECONDS_BETWEEN_MOVES)
        for process, output in [pair for pair in running if pair[0].poll() is not None or moved == moves]:
            running.remove((process, output))
            failed += process.wait() != 0 or output.read_bytes() not in expected
            finished += 1

    print(f"\nThe pointers moved {moves} times under {readers} readers: {finished} reads, of which {failed} failed")
    print("or mixed two models.")


def main() -> None:
    """Measure and write what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--readers", type=int, default=8)
    tables.add_options(parser)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        write_job(home)
        with tables.recorded(options, script="upkeep", data=f"{CHIPS} rendered chips and a toy network"):
            measure_kills(home, options.kills)
            measure_readers(home, options.moves, options.readers)


if __name__ == "__main__":
    main()

"""A registry under kills and under readers, on rendered chips and a toy network.

    python -m tests.benchmarks.upkeep [--kills 50] [--moves 20] [--readers 8]

Runs of `amazon_tags retrain` are killed at random moments: after each the current model must verify, and the next run
must come to an end. Then readers run `amazon_tags predict --model REGISTRY` in a loop while pointers move: every output
must be, byte for byte, that of one of the two models.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle, registry
from features.images import listing
from tests.amazon_tags.retraining import jobs

TAGS = [sys.executable, "-m", "amazon_tags"]


def home_in(scratch: str) -> Path:
    """A job's folder."""
    home = Path(scratch)
    jobs.write_job(home)
    return home


def kills(home: Path, count: int) -> None:
    """Kill, look, go on."""
    command = [*TAGS, "retrain", str(home / "job.toml")]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.perf_counter() - start
    rows = (home / "labels.csv").read_text().splitlines()
    draw, found = np.random.default_rng(0), Counter()
    for number in range(count):
        (home / "labels.csv").write_text("\n".join(rows[: len(rows) - 1 - number % 2]) + "\n")
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(draw.uniform(0, whole))
            except subprocess.TimeoutExpired:
                process.kill()
        folder = max((home / "runs").glob("[0-9]*"))
        begun = not (folder / "run.json").exists()
        state = "before its run" if not begun else "with a candidate" if (folder / "candidate").exists() else "training"
        found[state] += 1
        bundle.verify(home / "models" / registry.pointers(home / "models").current)
        subprocess.run(command, check=True, capture_output=True)
    print(f"{count} random kills of retrain: the current model verified after each, and each next run came to its end.")
    print("Killed " + ", ".join(f"{state}: {times}" for state, times in sorted(found.items())) + ".", flush=True)


def readers(home: Path, moves: int, count: int) -> None:
    """Read while pointers move."""
    models, table = home / "models", home / "labels.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-5]) + "\n")
    subprocess.run([*TAGS, "retrain", str(home / "job.toml")], check=True, capture_output=True)
    stand = registry.pointers(models)
    few = [str(path) for path in listing.chips([home / "chips"])[:20]]
    expected = {
        subprocess.run(
            [*TAGS, "predict", *few, "--model", str(models / str(name)), "--scores", str(home / f"{name}.csv")],
            check=True,
            capture_output=True,
        ).stdout: (home / f"{name}.csv").read_bytes()
        for name in (stand.current, stand.previous)
    }
    scores = set(expected.values())
    loops: list[tuple[subprocess.Popen[bytes], Path]] = []
    failed, done, moved = 0, 0, 0
    while moved < moves or loops:
        while moved < moves and len(loops) < count:
            out = home / f"reader_{done + len(loops)}_{moved}.csv"
            command = [*TAGS, "predict", *few, "--model", str(models), "--scores", str(out)]
            loops.append((subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), out))
        if moved < moves:
            registry.rollback(models, why="back and forth")
            moved += 1
            time.sleep(0.5)
        for process, out in [pair for pair in loops if pair[0].poll() is not None or moved == moves]:
            loops.remove((process, out))
            failed += process.wait() != 0 or out.read_bytes() not in scores
            done += 1
    print(f"{moves} moves of the pointers under {count} readers: {done} reads, {failed} failed or of no single model.")


def main() -> None:
    """Print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--readers", type=int, default=8)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = home_in(scratch)
        kills(home, chosen.kills)
        readers(home, chosen.moves, chosen.readers)


if __name__ == "__main__":
    main()

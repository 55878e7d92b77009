"""Runs of `amazon_tags predict --journal` that are killed at random moments and started again, until one ends.

    python -m tests.benchmarks.kills CHIPS [--count 3000] [--kills 100]

CHIPS are linked to under new names until there are enough of them. Every output must have the same bytes as that of a
run that nobody killed. The moments are drawn evenly from the time that such a run takes.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.benchmarks import scale


def main() -> None:
    """Print how many outputs were the same, and how often it took more than one start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=100)
    chosen = parser.parse_args()
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        chips, journal, table = (Path(scratch, name) for name in ("chips", "journal", "tags.csv"))
        scale.links(chosen.chips, chosen.count, chips)
        command = [sys.executable, "-m", "amazon_tags", "predict", str(chips), "--journal", str(journal)]
        command += ["-o", str(table)]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        whole = time.perf_counter() - start
        expected = table.read_bytes()
        same, states = 0, Counter()
        for _ in range(chosen.kills):
            shutil.rmtree(journal)
            table.unlink()
            moment = draw.uniform(0, whole)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(moment)
                except subprocess.TimeoutExpired:
                    process.kill()
            states[f"{len(list(journal.glob('*.parquet')))} shards, {'a' if table.exists() else 'no'} table"] += 1
            if table.exists() and table.read_bytes() != expected:
                raise SystemExit(f"a table that is not whole, after a kill at {moment:.3f} s")
            subprocess.run(command, check=True, capture_output=True)
            same += table.read_bytes() == expected
    print(
        f"{same} of {chosen.kills} runs of {chosen.count:,} chips, killed once each and resumed, gave the same bytes."
    )
    print("Found after the kill: " + "; ".join(f"{state}: {count}" for state, count in sorted(states.items())) + ".")


if __name__ == "__main__":
    main()

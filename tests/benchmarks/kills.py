"""Kill runs of `amazon_tags predict --journal` at random moments, resume them, and compare their output.

    python -m tests.benchmarks.kills CHIPS [--count 3000] [--kills 100]

CHIPS are linked to under new names until there are enough of them. The output of each resumed run must have the same
bytes as that of a run that was not killed. The moments are drawn evenly from the time that such a run takes.
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

from tests.benchmarks import scale, tables


def measure(chips: Path, kills: int, scratch: Path) -> None:
    """Kill and resume runs; print how many outputs are the same, and the states that the kills left."""
    checkpoint, output = scratch / "checkpoint", scratch / "tags.csv"
    command = [sys.executable, "-m", "amazon_tags", "predict", str(chips), "--journal", str(checkpoint)]
    command += ["-o", str(output)]

    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    expected = output.read_bytes()

    rng = np.random.default_rng(0)
    same, states = 0, Counter[str]()
    for _ in range(kills):
        shutil.rmtree(checkpoint)
        output.unlink()

        moment = rng.uniform(0, seconds)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()

        shards = len(list(checkpoint.glob("*.parquet")))
        states[f"| {shards} | {'yes' if output.exists() else 'no'} |"] += 1
        if output.exists() and output.read_bytes() != expected:
            raise SystemExit(f"A kill after {moment:.3f} s left an output that is not complete.")

        subprocess.run(command, check=True, capture_output=True)
        same += output.read_bytes() == expected

    print(f"{same} of {kills} runs, each killed once and resumed, gave the same bytes as a run that was not killed.\n")
    print("| shards at the kill | output written | kills |\n|---|---|---|")
    for state, count in sorted(states.items()):
        print(f"{state} {count} |")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=100)
    tables.add_options(parser)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        scale.write_links(options.chips, options.count, Path(scratch, "chips"))
        with tables.recorded(options, script="kills", data=f"{options.count:,} links to chips of {options.chips.name}"):
            measure(Path(scratch, "chips"), options.kills, Path(scratch))


if __name__ == "__main__":
    main()

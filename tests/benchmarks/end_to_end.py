"""`amazon_tags predict` against the plain Keras way, whole processes on the same chips, in turn.

    python -m tests.benchmarks.end_to_end [CHIPS]

CHIPS are by default the labelled competition chips that AMAZON_TAGS_DATA names or, without any, 700 rendered ones.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from amazon_tags.datasets import sample
from amazon_tags.model import bundle

RUNS = 3


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds on the clock, seconds of processor, MiB at its peak, seconds to its first row."""

    wall: float
    processor: float
    peak: float
    first: float
    output: str


def run(*command: str) -> Cost:
    """Run a command to its end; the first row is the first line after the header."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        lines, first = [], 0.0
        for line in process.stdout:
            lines.append(line)
            if len(lines) == 2:
                first = time.perf_counter() - start
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, first, "".join(lines))


def agreement(ours: str, theirs: str) -> float:
    """The share of chips that both gave the same tags."""
    tables = [csv.DictReader(text.splitlines()) for text in (ours, theirs)]
    first, second = ({row["image_name"]: row["tags"] for row in table} for table in tables)
    return sum(first[name] == second[name] for name in second) / len(second)


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as scratch:
        data = os.environ.get("AMAZON_TAGS_DATA")
        default = Path(data, "planet/train-jpg") if data else Path(scratch, "chips")
        chips = Path(sys.argv[1]) if len(sys.argv) > 1 else default
        if not chips.exists():
            sample.write(chips, 700)
        few = Path(scratch, "few")
        few.mkdir()
        for path in sorted(chips.glob("*.jpg"))[:50]:
            (few / path.name).symlink_to(path.resolve())
        count = len(list(chips.glob("*.jpg")))
        predict = (sys.executable, "-m", "amazon_tags", "predict")
        plain = (sys.executable, "-m", "tests.benchmarks.plain_keras")
        pairs = [(run(*predict, str(chips)), run(*plain, str(chips), str(bundle.DEFAULT))) for _ in range(RUNS)]
        print(f"{count} chips of {chips.name}, decode to tags, whole processes, median of {RUNS} runs in turn\n")
        print("| | amazon_tags | plain Keras | ratio, median (least to most) |\n|---|---|---|---|")
        for title, field in (("seconds", "wall"), ("processor seconds", "processor"), ("peak MiB", "peak")):
            ours, theirs = ([getattr(pair[side], field) for pair in pairs] for side in (0, 1))
            ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
            cells = " | ".join(f"{statistics.median(values):.1f}" for values in (ours, theirs, ratios))
            print(f"| {title} | {cells} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |")
        theirs, full = pairs[0][1].output, run(*predict, str(chips), "--precision", "f32").output
        chosen, exact = (agreement(output, theirs) for output in (pairs[0][0].output, full))
        print(f"\nThe same tags on {chosen:.1%} of the chips, in f32 on {exact:.1%}.")
        starts = [run(*predict, str(few)).first for _ in range(RUNS)]
        helps = [run(sys.executable, "-m", "amazon_tags", "--help").wall for _ in range(RUNS)]
        print(f"Start to first row on 50 chips: {statistics.median(starts):.2f} s.")
        print(f"--help: {statistics.median(helps):.2f} s.")


if __name__ == "__main__":
    main()

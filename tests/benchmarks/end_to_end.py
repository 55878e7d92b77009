"""Compare `amazon_tags predict` with plain Keras: whole processes on the same chips, in turn.

    python -m tests.benchmarks.end_to_end [CHIPS]

CHIPS are by default the labelled competition chips in the folder that AMAZON_TAGS_DATA names or, without it, 700
rendered ones.
"""

import argparse
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
from tests.benchmarks import tables

RUNS = 3  # of each way; the median is shown
FEW_CHIPS = 50  # enough that the first row, written with the first batch, does not wait for the end
PREDICT = (sys.executable, "-m", "amazon_tags", "predict")
PLAIN = (sys.executable, "-m", "tests.benchmarks.plain_keras")


@dataclass(frozen=True)
class Cost:
    """The resources that one process used, and what it printed."""

    seconds: float
    processor_seconds: float
    peak_mib: float
    first_row_seconds: float  # from the start of the process
    output: str


def run(*command: str) -> Cost:
    """Run a command to its end; the first row is the first line after the header."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        lines: list[str] = []
        first_row = 0.0
        for line in process.stdout or ():
            lines.append(line)
            if len(lines) == 2:
                first_row = time.perf_counter() - start
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start

    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}.")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, first_row, "".join(lines))


def agreement(first: str, second: str) -> float:
    """Return the share of chips to which two submissions give the same tags."""
    submissions = [
        {row["image_name"]: row["tags"] for row in csv.DictReader(text.splitlines())} for text in (first, second)
    ]
    same = [submissions[0][name] == tags for name, tags in submissions[1].items()]
    return statistics.fmean(same)


def print_costs(pairs: list[tuple[Cost, Cost]]) -> None:
    """Print the median costs of both ways, and their ratio in the runs that were made in turn."""
    print("| | amazon_tags | plain Keras | ratio, median (least to most) |\n|---|---|---|---|")
    for title, field in (
        ("seconds", "seconds"),
        ("processor seconds", "processor_seconds"),
        ("peak memory, MiB", "peak_mib"),
    ):
        ours, plain = ([getattr(pair[way], field) for pair in pairs] for way in (0, 1))
        ratios = sorted(b / a for a, b in zip(ours, plain, strict=True))
        cells = " | ".join(f"{statistics.median(values):.1f}" for values in (ours, plain, ratios))
        print(f"| {title} | {cells} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |")


def measure(chips: Path, scratch: Path) -> None:
    """Print the tables for a folder of chips."""
    few = scratch / "few"
    few.mkdir()
    for path in sorted(chips.glob("*.jpg"))[:FEW_CHIPS]:
        (few / path.name).symlink_to(path.resolve())

    print(f"Files to CSV, whole processes, median of {RUNS} runs in turn.\n")
    pairs = [(run(*PREDICT, str(chips)), run(*PLAIN, str(chips), str(bundle.DEFAULT))) for _ in range(RUNS)]
    print_costs(pairs)

    ours, plain = (cost.output for cost in pairs[0])
    in_f32 = run(*PREDICT, str(chips), "--precision", "f32").output
    print(f"\nBoth give the same tags to {agreement(ours, plain):.1%} of the chips")
    print(f"(with `--precision f32` to {agreement(in_f32, plain):.1%}).")

    first_rows = [run(*PREDICT, str(few)).first_row_seconds for _ in range(RUNS)]
    helps = [run(sys.executable, "-m", "amazon_tags", "--help").seconds for _ in range(RUNS)]
    print(f"The first row of {FEW_CHIPS} chips comes after {statistics.median(first_rows):.2f} s,")
    print(f"`amazon_tags --help` takes {statistics.median(helps):.2f} s.")


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path, nargs="?")
    tables.add_options(parser)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        root = os.environ.get("AMAZON_TAGS_DATA")
        chips = options.chips or (Path(root, "planet/train-jpg") if root else Path(scratch, "rendered"))
        if not chips.exists():
            sample.write(chips, 700)
        count = len(list(chips.glob("*.jpg")))

        with tables.recorded(options, script="end_to_end", data=f"{count:,} chips of {chips.name}"):
            measure(chips, Path(scratch))


if __name__ == "__main__":
    main()

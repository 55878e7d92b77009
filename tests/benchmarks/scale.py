"""Measure how time and memory of `amazon_tags predict` grow with the number of chips.

    python -m tests.benchmarks.scale CHIPS [--counts 10000,100000] [--names 1000000]

CHIPS are linked to under new names until there are enough of them. At the end a folder of a million empty files is
listed, without reading them.
"""

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from features.images import listing
from tests.benchmarks import end_to_end, tables


def write_links(chips: Path, count: int, folder: Path) -> None:
    """Fill a new folder with links to the chips, `count` in all."""
    folder.mkdir()
    sources = [path.resolve() for path in sorted(chips.glob("*.jpg"))]
    for number, source in enumerate(itertools.islice(itertools.cycle(sources), count)):
        (folder / f"chip_{number}.jpg").symlink_to(source)


def measure(options: argparse.Namespace, scratch: Path) -> None:
    """Print a row for each number of chips, and the time that listing takes."""
    print("| chips | seconds | chips/s after the first row | peak memory, MiB |\n|---|---|---|---|")
    for count in map(int, options.counts.split(",")):
        folder = scratch / str(count)
        write_links(options.chips, count, folder)
        cost = end_to_end.run(sys.executable, "-m", "amazon_tags", "predict", str(folder))
        rows = cost.output.count("\n") - 1
        if rows != count:
            raise SystemExit(f"predict wrote {rows} rows for {count} chips.")

        speed = count / (cost.seconds - cost.first_row_seconds)
        print(f"| {count:,} | {cost.seconds:.1f} | {speed:.0f} | {cost.peak_mib:.0f} |", flush=True)

    names = scratch / "names"
    names.mkdir()
    for number in range(options.names):
        (names / f"chip_{number}.jpg").touch()
    start = time.perf_counter()
    count = len(listing.chips([names]))
    print(f"\nListing {count:,} chips takes {time.perf_counter() - start:.1f} s.")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("--counts", default="10000,100000")
    parser.add_argument("--names", type=int, default=1_000_000)
    tables.add_options(parser)
    options = parser.parse_args()

    data = f"links to the chips of {options.chips.name}"
    with tempfile.TemporaryDirectory() as scratch, tables.recorded(options, script="scale", data=data):
        measure(options, Path(scratch))


if __name__ == "__main__":
    main()

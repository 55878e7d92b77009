"""What more chips cost: the same chips under many names, by runs of `amazon_tags predict` that differ in their number.

    python -m tests.benchmarks.scale CHIPS [--counts 10000,100000] [--names 1000000]

CHIPS are linked to under new names until there are enough of them. A folder of so many names is listed last.
"""

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from features.images import listing
from tests.benchmarks import end_to_end


def links(chips: Path, count: int, folder: Path) -> None:
    """Fill a folder with so many links."""
    folder.mkdir()
    sources = [path.resolve() for path in sorted(chips.glob("*.jpg"))]
    for number, source in enumerate(itertools.islice(itertools.cycle(sources), count)):
        (folder / f"chip_{number}.jpg").symlink_to(source)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("--counts", default="10000,100000")
    parser.add_argument("--names", type=int, default=1_000_000)
    chosen = parser.parse_args()
    print("| chips | seconds | chips/s after the first row | peak MiB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for count in map(int, chosen.counts.split(",")):
            folder = Path(scratch, str(count))
            links(chosen.chips, count, folder)
            cost = end_to_end.run(sys.executable, "-m", "amazon_tags", "predict", str(folder))
            if cost.output.count("\n") != count + 1:
                raise SystemExit(f"{cost.output.count(chr(10))} rows for {count} chips")
            speed = count / (cost.wall - cost.first)
            print(f"| {count:,} | {cost.wall:.1f} | {speed:.0f} | {cost.peak:.0f} |", flush=True)
        names = Path(scratch, "names")
        names.mkdir()
        for number in range(chosen.names):
            (names / f"chip_{number}.jpg").touch()
        start = time.perf_counter()
        found = len(listing.chips([names]))
        print(f"\n{found:,} names listed in {time.perf_counter() - start:.1f} s.")


if __name__ == "__main__":
    main()

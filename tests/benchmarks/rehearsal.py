"""Rehearse the competition at a part of its size: time, memory and disk of each stage, and an estimate for all chips.

    python -m tests.benchmarks.rehearsal LABELS -n 4000 --recipe quick --weights mobilenet_v2_035=FILE

Chips are rendered with the tags of the label table, packed as the competition packs them, and processed as
kaggle/README.md describes: unpacked and counted, trained on, tagged. The chips are rendered, so scores mean nothing.
"""

import argparse
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import py7zr

from amazon_tags.datasets import sample_competition
from tests.benchmarks import tables

SCRIPTS = Path(__file__).parents[2] / "kaggle"
sys.path.insert(0, str(SCRIPTS))

import produce  # noqa: E402  kaggle/ is a folder of scripts, not a package

GIB = 2**30
COMPETITION_TEST_CHIPS = sample_competition.TEST + sample_competition.FILES
COMPETITION_CHIPS = sample_competition.TRAIN + COMPETITION_TEST_CHIPS


def pack(folder: Path, archives: Path) -> None:
    """Pack a rendered folder into the competition's archives; the two kinds of test chips are separate."""
    test = sorted((folder / "test-jpg").iterdir())
    for name, paths in (
        ("train-jpg", sorted((folder / "train-jpg").iterdir())),
        ("test-jpg", [path for path in test if path.name.startswith("test")]),
        ("test-jpg-additional", [path for path in test if path.name.startswith("file")]),
    ):
        inner = archives / f"{name}.tar"
        with tarfile.open(inner, "w") as tar:
            for path in paths:
                tar.add(path, f"{name}/{path.name}")
        with py7zr.SevenZipFile(archives / f"{name}.tar.7z", "w") as seven_zip:
            seven_zip.write(inner, inner.name)
        inner.unlink()

    for name in ("train_v2.csv", "sample_submission_v2.csv", "test_v2_file_mapping.csv"):
        with zipfile.ZipFile(archives / f"{name}.zip", "w") as zip_file:
            content = (folder / name).read_bytes() if (folder / name).exists() else b"old,new\na,b\n"
            zip_file.writestr(name, content)


def fetch_command(archives: Path, folder: Path, train: int, test: int) -> list[str]:
    """Return the command that unpacks and counts a competition of this many chips."""
    counts = f"fetch.layout.COUNTS = {{'train': {train}, 'test': {test}}}"
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import fetch; {counts}; "
        "fetch.run_command_line(fetch.main, 'fetch.py')"
    )
    return [sys.executable, "-c", code, str(folder), "--archives", str(archives)]


def print_stages(stages: list[produce.Stage], train: int, test: int) -> None:
    """Print the cost of each stage, and its time for all chips if it grows with their number."""
    factors = {"train": sample_competition.TRAIN / train, "predict": COMPETITION_TEST_CHIPS / test}
    print(f"| {train:,} + {test:,} chips | seconds | processor seconds | peak memory, GiB | estimate for all, hours |")
    print("|---|---|---|---|---|")
    for stage in stages:
        hours = factors.get(stage.name, COMPETITION_CHIPS / (train + test)) * stage.seconds / 3600
        memory = stage.memory / GIB
        print(f"| {stage.name} | {stage.seconds:,.0f} | {stage.processor:,.0f} | {memory:.2f} | {hours:.2f} |")


def print_disk(folders: dict[str, Path], chips: int) -> None:
    """Print the size of each folder, and an estimate for all chips."""
    print("\n| disk | GiB | estimate for all, GiB |\n|---|---|---|")
    for title, folder in folders.items():
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / GIB
        print(f"| {title} | {size:.2f} | {COMPETITION_CHIPS / chips * size:.1f} |")


def measure(home: Path, options: argparse.Namespace) -> None:
    """Run the stages in a folder and print both tables."""
    rendered, archives, data, output = (home / name for name in ("rendered", "archives", "data", "output"))
    for folder in (archives, output):
        folder.mkdir(parents=True)

    command = [sys.executable, "-m", "amazon_tags", "sample", str(rendered), "-n", str(options.count)]
    produce.run_stage(output, "render", [*command, "--like", str(options.table)])
    pack(rendered, archives)
    test = len(list((rendered / "test-jpg").iterdir()))
    produce.run_stage(output, "unpack", fetch_command(archives, data, options.count, test))
    produce.produce(data, output, options.recipe, weights=options.weights, views=options.views)

    print_stages(produce.read_stages(output), options.count, test)
    folders = {"archives": archives, "unpacked": data, "model, scores and submission": output}
    print_disk(folders, options.count + test)


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("-n", dest="count", type=int, default=4000)
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--weights", action="append", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--work", type=Path)
    tables.add_options(parser)
    options = parser.parse_args()

    data = f"chips rendered with the tags of {options.table.name}"
    with tempfile.TemporaryDirectory() as scratch, tables.recorded(options, script="rehearsal", data=data):
        measure((options.work or Path(scratch)).resolve(), options)


if __name__ == "__main__":
    main()

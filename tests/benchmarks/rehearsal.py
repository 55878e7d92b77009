"""The whole way of the competition at a part of its size: time and memory of each stage, disk, and what all would take.

    python -m tests.benchmarks.rehearsal train_v2_all_labels.csv -n 4000 --recipe quick --weights mobilenet_v2_035=FILE

Chips are rendered after the label table's mixture of tags, packed as the competition packs them, and go the way of
kaggle/README.md: unpacked and counted, trained on, tagged, packed. Scores are of rendered chips and say nothing.
"""

import argparse
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import py7zr

from amazon_tags.datasets import sample_competition

SCRIPTS = Path(__file__).parents[2] / "kaggle"
sys.path.insert(0, str(SCRIPTS))

import produce  # noqa: E402  a script beside others

GIB = 2**30


def pack(folder: Path, store: Path) -> None:
    """The competition's archives of a rendered folder; test chips of both kinds apart."""
    test = sorted((folder / "test-jpg").iterdir())
    for name, held in (
        ("train-jpg", sorted((folder / "train-jpg").iterdir())),
        ("test-jpg", [path for path in test if path.name.startswith("test")]),
        ("test-jpg-additional", [path for path in test if path.name.startswith("file")]),
    ):
        inner = store / f"{name}.tar"
        with tarfile.open(inner, "w") as tar:
            for path in held:
                tar.add(path, f"{name}/{path.name}")
        with py7zr.SevenZipFile(store / f"{name}.tar.7z", "w") as seven:
            seven.write(inner, inner.name)
        inner.unlink()
    for name in ("train_v2.csv", "sample_submission_v2.csv", "test_v2_file_mapping.csv"):
        with zipfile.ZipFile(store / f"{name}.zip", "w") as zipped:
            zipped.writestr(name, (folder / name).read_bytes() if (folder / name).exists() else b"old,new\na,b\n")


def fetching(store: Path, folder: Path, chips: tuple[int, int]) -> list[str]:
    """The command line that unpacks and counts, for a competition of this size."""
    counts = f"fetch.layout.COUNTS = {{'train': {chips[0]}, 'test': {chips[1]}}}"
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import fetch; {counts}; fetch.process.main(fetch.main)"
    return [sys.executable, "-c", code, str(folder), "--archives", str(store)]


def table(told: list[produce.Stage], train: int, test: int) -> str:
    """What was measured, and what it comes to for all chips if time and disk grow with their number."""
    factors = {
        "train": sample_competition.TRAIN / train,
        "predict": (sample_competition.TEST + sample_competition.FILES) / test,
    }
    everything = (sample_competition.TRAIN + sample_competition.TEST + sample_competition.FILES) / (train + test)
    rows = []
    for stage in told:
        factor = factors.get(stage.name, everything)
        rows.append(
            f"| {stage.name} | {stage.seconds:,.0f} | {stage.processor:,.0f} | {stage.memory / GIB:.2f} | "
            f"{factor * stage.seconds / 3600:.2f} |"
        )
    head = (
        f"| {train:,} + {test:,} chips | seconds | of all cores | most memory, GiB | for all chips, hours |\n"
        "|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("-n", dest="count", type=int, default=4000)
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--weights", action="append", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = (chosen.work or Path(scratch)).resolve()
        store, out = home / "store", home / "out"
        for folder in (store, out):
            folder.mkdir(parents=True)
        line = [sys.executable, "-m", "amazon_tags", "sample", str(home / "rendered"), "-n", str(chosen.count)]
        produce.run_stage(out, "render", [*line, "--like", str(chosen.table)])
        pack(home / "rendered", store)
        test = len(list((home / "rendered" / "test-jpg").iterdir()))
        produce.run_stage(out, "unpack", fetching(store, home / "data", (chosen.count, test)))
        produce.produce(home / "data", out, chosen.recipe, weights=chosen.weights, views=chosen.views)
        print(table(produce.read_stages(out), chosen.count, test))
        factor = (sample_competition.TRAIN + sample_competition.TEST + sample_competition.FILES) / (chosen.count + test)
        for what, name in (("archives", "store"), ("unpacked", "data"), ("model, scores and submission", "out")):
            size = sum(path.stat().st_size for path in (home / name).rglob("*") if path.is_file()) / GIB
            print(f"{what}: {size:.2f} GiB, for all chips {factor * size:.1f}")


if __name__ == "__main__":
    main()

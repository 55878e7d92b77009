"""Simulate a year of `amazon_tags retrain` on real chips: good rounds, and rounds with wrong labels or pixels.

    python -m tests.benchmarks.year CHIPS LABELS --weights BACKBONE=FILE [--recipe frozen] [--work FOLDER]

The first round has 200 labelled chips; each further round adds 80. A wrong round is corrected before the next one. F2
of the current model is measured on chips that are in no round.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import select
from ensemble.arrays import Tags
from ensemble.metrics import score
from tests.benchmarks import tables

FIRST_CHIPS, ADDED_CHIPS, TEST_CHIPS = 200, 80, 102
REJECTED = 20  # exit code of retrain

Rows = list[tuple[str, list[str]]]  # chip, its tags


def unchanged(rows: Rows) -> Rows:
    """Return the rows as they are."""
    return rows


def shuffle_some(rows: Rows) -> Rows:
    """Give three of ten chips the tags of others."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), 3 * len(rows) // 10, replace=False)
    moved = dict(zip(chosen.tolist(), [rows[row][1] for row in np.roll(chosen, 1)], strict=True))
    return [(name, moved.get(row, tags)) for row, (name, tags) in enumerate(rows)]


def shift_columns(rows: Rows) -> Rows:
    """Replace every tag by the next one of the label space, as an additional column does."""
    names = labels.PLANET.names
    return [(name, [names[(names.index(tag) + 1) % len(names)] for tag in tags]) for name, tags in rows]


def remove_tag(tag: str) -> Callable[[Rows], Rows]:
    """Return a function that removes a tag from all rows."""
    return lambda rows: [(name, [other for other in tags if other != tag] or ["clear"]) for name, tags in rows]


@dataclass(frozen=True)
class Round:
    """New chips, or the chips of the round before once more."""

    title: str
    change: Callable[[Rows], Rows] = unchanged
    swap_bands: bool = False  # red and blue
    repeats: bool = False  # the chips of the round before, corrected


CORRECTED = Round("the same, corrected", repeats=True)
ROUNDS = [
    Round(f"{FIRST_CHIPS} chips"),
    Round(f"{ADDED_CHIPS} more"),
    Round(f"{ADDED_CHIPS} more, tags of 30 % shuffled", shuffle_some),
    CORRECTED,
    Round(f"{ADDED_CHIPS} more, label columns shifted by one", shift_columns),
    CORRECTED,
    Round(f"{ADDED_CHIPS} more, red and blue exchanged", swap_bands=True),
    CORRECTED,
    Round(f"{ADDED_CHIPS} more, without the tag road", remove_tag("road")),
    CORRECTED,
]


def copy_chip(source: Path, target: Path, *, swap_bands: bool) -> None:
    """Copy a chip, or save it with red and blue exchanged."""
    if not swap_bands:
        target.write_bytes(source.read_bytes())
        return
    with Image.open(source) as image:
        bands = image.convert("RGB").split()
    Image.merge("RGB", bands[::-1]).save(target, quality=97)


def write_job(home: Path, options: argparse.Namespace) -> Path:
    """Write the job of `retrain` and return its file."""
    backbone, _, weights = options.weights.partition("=")
    job = home / "job.toml"
    job.write_text(
        f'recipe = "{options.recipe}"\n[[data]]\nchips = "chips"\ntable = "labels.csv"\n'
        f'[weights]\n{backbone} = "{Path(weights).resolve()}"\n',
        encoding="utf-8",
    )
    (home / "chips").mkdir(exist_ok=True)
    return job


def measure(home: Path, options: argparse.Namespace) -> None:
    """Run the rounds in a folder and print a row for each."""
    table = truth_tables.read_truth(options.table, labels.PLANET)
    truth = dict(zip(table.ids, table.truth, strict=True))
    files = {path.stem: path for path in options.chips.glob("*.jpg")}
    order = np.random.default_rng(0).permutation([name for name in table.ids if name in files]).tolist()
    test, stock = order[:TEST_CHIPS], order[TEST_CHIPS:]

    (home / "test").mkdir(exist_ok=True)
    for name in test:
        copy_chip(files[name], home / "test" / files[name].name, swap_bands=False)
    job = write_job(home, options)
    rows: Rows = [(name, labels.decode(labels.PLANET, truth[name])) for name in stock]

    print("| round | chips | outcome | minutes | F2 of the current model, test chips | reason |")
    print("|---|---|---|---|---|---|")
    first, count = 0, 0
    for step in ROUNDS:
        if not step.repeats:
            first, count = count, count + (ADDED_CHIPS if count else FIRST_CHIPS)
        new = step.change(rows[first:count])
        for name, _ in new:
            copy_chip(files[name], home / "chips" / files[name].name, swap_bands=step.swap_bands)
        lines = [f"{name},{' '.join(tags)}" for name, tags in [*rows[:first], *new]]
        (home / "labels.csv").write_text("\n".join(["image_name,tags", *lines]) + "\n", encoding="utf-8")

        start = time.perf_counter()
        result = retrain(job, step.title)
        minutes = (time.perf_counter() - start) / 60
        f2 = f2_of_current(home, test, truth)
        outcome, reason = result["outcome"], result["why"]
        print(f"| {step.title} | {count} | {outcome} | {minutes:.1f} | {f2:.4f} | {reason} |", flush=True)


def retrain(job: Path, title: str) -> dict[str, str]:
    """Run `amazon_tags retrain` and return what it prints."""
    command = [sys.executable, "-m", "amazon_tags", "retrain", str(job)]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if process.returncode not in (0, REJECTED):
        raise SystemExit(f"{title}: retrain ended with exit code {process.returncode}.")
    result: dict[str, str] = json.loads(process.stdout)
    return result


def f2_of_current(home: Path, names: list[str], truth: dict[str, Tags]) -> float:
    """Return F2 of the current model on the test chips, by `amazon_tags predict`."""
    output = home / "test.csv"
    command = [sys.executable, "-m", "amazon_tags", "predict", str(home / "test"), "--model", str(home / "models")]
    subprocess.run([*command, "--precision", "f32", "-o", str(output)], check=True, stderr=subprocess.DEVNULL)
    submission = truth_tables.read_truth(output, labels.PLANET)
    rows = select(submission.ids, names)
    return score.f2(np.stack([truth[name] for name in names]), submission.truth[rows])


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--weights", required=True, metavar="BACKBONE=FILE")
    parser.add_argument("--recipe", default="frozen")
    parser.add_argument("--work", type=Path)
    tables.add_options(parser)
    options = parser.parse_args()

    data = f"chips of {options.chips.name}; F2 on {TEST_CHIPS} of them that are in no round"
    with tempfile.TemporaryDirectory() as scratch:
        home = options.work or Path(scratch)
        home.mkdir(exist_ok=True)
        with tables.recorded(options, script="year", data=data):
            measure(home, options)


if __name__ == "__main__":
    main()

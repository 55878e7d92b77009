"""A year of `amazon_tags retrain` on real chips: good rounds, and rounds with labels or chips gone wrong.

    python -m tests.benchmarks.year CHIPS LABELS --weights BACKBONE=FILE [--recipe frozen] [--work FOLDER]

It starts with 200 labelled chips; each round adds 80. A bad round is mended before the next one. The F2 of the current
model is measured on chips that no round ever gets.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.image_names import select
from ensemble.metrics import score
from features.images import listing

START, STEP, FIXED = 200, 80, 102

Rows = list[tuple[str, list[str]]]


def shuffled(rows: Rows) -> Rows:
    """Three of ten rows get the tags of others."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), 3 * len(rows) // 10, replace=False)
    moved = dict(zip(chosen.tolist(), [rows[row][1] for row in np.roll(chosen, 1)], strict=True))
    return [(name, moved.get(row, tags)) for row, (name, tags) in enumerate(rows)]


def shifted(rows: Rows) -> Rows:
    """Every tag becomes the next one of the label space, as by a column too many."""
    names = labels.PLANET.names
    return [(name, [names[(names.index(tag) + 1) % len(names)] for tag in tags]) for name, tags in rows]


def without(tag: str) -> Callable[[Rows], Rows]:
    """One tag is nowhere."""
    return lambda rows: [(name, [held for held in tags if held != tag] or ["clear"]) for name, tags in rows]


def right(rows: Rows) -> Rows:
    """As they are."""
    return rows


ROUNDS: list[tuple[str, Callable[[Rows], Rows], bool]] = [  # what it is, what becomes of its labels, and BGR or not
    ("200 chips", right, False),
    ("80 more", right, False),
    ("80 more, 30 % of them shuffled", shuffled, False),
    ("the same, mended", right, False),
    ("80 more, the columns shifted by one", shifted, False),
    ("the same, mended", right, False),
    ("80 more, red and blue exchanged", right, True),
    ("the same, mended", right, False),
    ("80 more, without the tag road", without("road"), False),
    ("the same, mended", right, False),
]


def main() -> None:
    """Print a row for each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--weights", required=True, metavar="BACKBONE=FILE")
    parser.add_argument("--recipe", default="frozen")
    parser.add_argument("--work", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.work or Path(scratch)
        home.mkdir(exist_ok=True)
        year(home, chosen)


def year(home: Path, chosen: argparse.Namespace) -> None:
    """Do it in a folder."""
    table = label_tables.read_labels(chosen.table, labels.PLANET)
    places = {listing.name(path): path for path in listing.chips([chosen.chips])}
    order = np.random.default_rng(0).permutation([name for name in table.ids if name in places]).tolist()
    truth = dict(zip(table.ids, table.truth, strict=True))
    fixed, stock = order[:FIXED], order[FIXED:]
    (home / "fixed").mkdir(exist_ok=True)
    for name in fixed:
        (home / "fixed" / places[name].name).write_bytes(places[name].read_bytes())
    backbone, _, weights = chosen.weights.partition("=")
    config = home / "job.toml"
    config.write_text(
        f'recipe = "{chosen.recipe}"\n[[data]]\nchips = "chips"\ntable = "labels.csv"\n'
        f'[weights]\n{backbone} = "{Path(weights).resolve()}"\n'
    )
    (home / "chips").mkdir(exist_ok=True)
    print("| round | chips | outcome | minutes | F2 of current, fixed part | why |\n|---|---|---|---|---|---|")
    count = START
    rows: Rows = [(name, labels.decode(labels.PLANET, truth[name])) for name in stock]
    for title, change, swapped in ROUNDS:
        mended = title.startswith("the same")
        first = 0 if title == "200 chips" else count - STEP if mended else count
        count = START if title == "200 chips" else first + STEP
        part = change(rows[first:count])
        for name, _ in part:
            content = places[name].read_bytes()
            target = home / "chips" / places[name].name
            target.write_bytes(content)
            if swapped:
                with Image.open(places[name]) as image:
                    bands = image.convert("RGB").split()
                Image.merge("RGB", bands[::-1]).save(target, quality=97)
        lines = [f"{name},{' '.join(tags)}" for name, tags in [*rows[:first], *part]]
        (home / "labels.csv").write_text("\n".join(["image_name,tags", *lines]) + "\n")
        start = time.perf_counter()
        command = [sys.executable, "-m", "amazon_tags", "retrain", str(config)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        if done.returncode not in (0, 20):
            raise SystemExit(f"{title}: exit {done.returncode}")
        result = json.loads(done.stdout)
        minutes = (time.perf_counter() - start) / 60
        f2 = measured(home, fixed, truth)
        print(f"| {title} | {count} | {result['outcome']} | {minutes:.1f} | {f2:.4f} | {result['why']} |", flush=True)


def measured(home: Path, fixed: list[str], truth: dict[str, np.ndarray]) -> float:
    """F2 of the current model on the fixed part, by the command."""
    out = home / "fixed.csv"
    command = [sys.executable, "-m", "amazon_tags", "predict", str(home / "fixed"), "--model", str(home / "models")]
    subprocess.run([*command, "--precision", "f32", "-o", str(out)], check=True, stderr=subprocess.DEVNULL)
    given = label_tables.read_labels(out, labels.PLANET)
    rows = select(given.ids, fixed)
    return score.f2(np.stack([truth[name] for name in fixed]), given.truth[rows])


if __name__ == "__main__":
    main()

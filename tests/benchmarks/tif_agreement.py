"""Measure how far the bundled model's tags agree between the competition's JPG and TIF of one name.

    python -m tests.benchmarks.tif_agreement

AMAZON_TAGS_DATA names the folder of real chips. People tagged the JPGs; many TIFs show a place some pixels away, a few
another place.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle
from amazon_tags.prediction.predict import predict_chips
from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import select
from ensemble.arrays import Tags
from ensemble.metrics import score
from features.images import listing
from features.images.listing import Listing
from tests.benchmarks import tables, visual_mapping
from tests.benchmarks.visual_mapping import Pair

MAX_ALIGNED_SHIFT_PIXELS = 2  # two resamplings of one place may differ by this


def kind_of(pair: Pair) -> str:
    """Return how a pair's two images relate."""
    if pair.correlation < visual_mapping.MIN_CORRELATION:
        return "another place"
    return "aligned" if abs(pair.shift) <= MAX_ALIGNED_SHIFT_PIXELS else "shifted"


def measure(tifs: Listing, jpgs: Listing, planet: Path) -> None:
    """Print a row for each kind of pair, and a row for each pair whose tags differ."""
    model = bundle.load(bundle.DEFAULT)
    tif_tags, jpg_tags = (np.concatenate([part.tags for part in predict_chips(paths, model)]) for paths in (tifs, jpgs))
    table = truth_tables.read_truth(planet / "train_v2.csv", labels.PLANET)
    truth = table.truth[select(table.ids, tifs.names())]
    files = [(planet / "train-jpg" / f"{name}.jpg", planet / "train-tif-v2" / f"{name}.tif") for name in tifs.names()]
    kinds = [kind_of(visual_mapping.align(jpg, tif)) for jpg, tif in files]

    print("| pairs | number | same tags | shared tags, of all tags of either | F2 of the JPG | F2 of the TIF |")
    print("|---|---|---|---|---|---|")
    for kind in sorted(set(kinds)):
        print(kind_row(kind, np.array(kinds) == kind, truth, jpg_tags, tif_tags))

    print("\n| pair | kind | tags of the JPG only | tags of the TIF only |\n|---|---|---|---|")
    for name, kind, jpg, tif in zip(tifs.names(), kinds, jpg_tags, tif_tags, strict=True):
        if (jpg != tif).any():
            jpg_only, tif_only = (" ".join(labels.decode(model.space, row)) or "-" for row in (jpg & ~tif, tif & ~jpg))
            print(f"| {name} | {kind} | {jpg_only} | {tif_only} |")


def kind_row(kind: str, rows: Tags, truth: Tags, jpg_tags: Tags, tif_tags: Tags) -> str:
    """Return the row of the pairs of one kind; `rows` selects them."""
    shared = (tif_tags & jpg_tags)[rows].sum() / (tif_tags | jpg_tags)[rows].sum()
    same = (tif_tags == jpg_tags)[rows].all(axis=1)
    jpg_f2, tif_f2 = (score.f2(truth[rows], tags[rows]) for tags in (jpg_tags, tif_tags))
    return f"| {kind} | {rows.sum()} | {same.sum()} of {len(same)} | {shared:.2f} | {jpg_f2:.3f} | {tif_f2:.3f} |"


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables.add_options(parser)
    options = parser.parse_args()

    planet = Path(os.environ["AMAZON_TAGS_DATA"]) / "planet"
    tifs = listing.chips([planet / "train-tif-v2"])
    jpgs = listing.chips([planet / "train-jpg" / f"{name}.jpg" for name in tifs.names()])
    data = f"{len(tifs)} labelled competition chips that exist as JPG and as TIF; the model was trained on these JPGs"
    with tables.recorded(options, script="tif_agreement", data=data):
        measure(tifs, jpgs, planet)


if __name__ == "__main__":
    main()

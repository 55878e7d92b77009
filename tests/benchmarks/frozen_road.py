"""Measure every classical head on the vectors of frozen backbones, out of fold.

    python -m tests.benchmarks.frozen_road CHIPS LABELS [--labels table] BACKBONE[:LAYER]=WEIGHTS ...

The table has a row for a constant answer, each head on each backbone, and the mean of all heads. Fitted thresholds are
nested in the folds. UC Merced's labels need `--labels table`.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import select
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import read_bank
from ensemble.arrays import Fold, Scores, Tags, Vectors
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, frequent_tags, nested_thresholds
from ensemble.heads.table import HEADS
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from features.images import listing
from tests.benchmarks import tables

SIDE = 256  # pixels that each chip is resized to


def compute_vectors(chips: Path, extractor: FeatureExtractor) -> Vectors:
    """Return the vectors of a folder's chips, in the order of their listing."""
    with tempfile.TemporaryDirectory() as scratch:
        embed([chips], Path(scratch, "bank"), extractor)
        return np.array(read_bank(Path(scratch, "bank")).vectors)  # a copy: the file is removed


def row(name: str, truth: Tags, scores: Scores, fold: Fold) -> str:
    """Return a row of the table: F2 at a flat and at nested thresholds, F1 at 0.5, mean average precision."""
    cells = []
    for tags in (apply_thresholds(scores, FLAT_THRESHOLD), nested_thresholds(scores, truth, fold)):
        f2 = score.per_chip(truth, tags)
        low, high = score.bootstrap_interval(f2)
        cells.append(f"{f2.mean():.4f} ({low:.4f} to {high:.4f})")

    tags = apply_thresholds(scores, 0.5)
    cells += [f"{score.f1(truth, tags, average):.3f}" for average in ("micro", "macro")]
    cells.append(f"{score.mean_average_precision(truth, scores):.3f}")
    return f"| {name} | {' | '.join(cells)} |"


def measure(options: argparse.Namespace, truth: Tags) -> None:
    """Print the rows."""
    fold = folds.stratify(truth, folds=5, seed=0)
    print(f"| scores | F2 at a flat {FLAT_THRESHOLD} | F2 at fitted thresholds | micro F1 | macro F1 | mAP |")
    print("|---|---|---|---|---|---|")
    print(row("constant answer", truth, np.tile(frequent_tags(truth).astype(np.float32), (len(truth), 1)), fold))

    matrices = []
    for argument in options.backbones:
        name, _, weights = argument.partition("=")
        backbone, _, layer = name.partition(":")
        vectors = compute_vectors(options.chips, FeatureExtractor(backbone, layer or "top", weights, SIDE))

        for head in options.heads.split(","):

            def fit(train: Fold, held_out: Fold, head: str = head, vectors: Vectors = vectors) -> Scores:
                return HEADS[head](vectors[train], truth[train], 0).scores(vectors[held_out])

            matrices.append(folds.out_of_fold_scores(fit, fold, truth.shape[1]))
            print(row(f"frozen {name}, {head} head", truth, matrices[-1], fold), flush=True)

    if len(matrices) > 1:
        print(row("mean of all above", truth, blend.mean(matrices), fold))


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("backbones", nargs="+", metavar="BACKBONE[:LAYER]=WEIGHTS")
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--heads", default=",".join(HEADS))
    tables.add_options(parser)
    options = parser.parse_args()

    table = truth_tables.read_truth(options.table, labels.choose(options.labels, options.table))
    truth = table.truth[select(table.ids, listing.chips([options.chips]).names())]
    data = f"{len(truth):,} chips, {truth.shape[1]} labels; five folds stratified by label"
    with tables.recorded(options, script="frozen_road", data=data):
        measure(options, truth)


if __name__ == "__main__":
    main()

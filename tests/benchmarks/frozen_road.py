"""Every classical head on the vectors of every backbone at hand, out of fold; every fitted cut nested in the folds.

    python -m tests.benchmarks.frozen_road CHIPS LABELS [--labels table] BACKBONE[:CUT]=WEIGHTS ...

Prints one table: a constant answer, each head on each backbone, their mean. UC Merced needs `--labels table`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.image_names import select
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import FeatureBank, read_bank
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, frequent_tags, nested_thresholds
from ensemble.heads.table import HEADS
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from features.images import listing, naming

SIDE = 256


def vectors(source: Path, trunk: FeatureExtractor) -> FeatureBank:
    """The bank of a folder, in memory."""
    with tempfile.TemporaryDirectory() as scratch:
        embed([source], Path(scratch, "bank"), trunk)
        held = read_bank(Path(scratch, "bank"))
        return FeatureBank(held.ids, np.array(held.vectors), held.key)


def row(name: str, truth: np.ndarray, scores: np.ndarray, fold: np.ndarray) -> str:
    """One line of the table; the best of flat and fitted cuts is for the reader to see."""
    columns = []
    for tags in (apply_thresholds(scores, FLAT_THRESHOLD), nested_thresholds(scores, truth, fold)):
        worth = score.per_chip(truth, tags)
        low, high = score.bootstrap_interval(worth)
        columns.append(f"{worth.mean():.4f} ({low:.4f} to {high:.4f})")
    tags = apply_thresholds(scores, 0.5)
    columns += [f"{score.f1(truth, tags, average):.3f}" for average in ("micro", "macro")]
    columns.append(f"{score.mean_average_precision(truth, scores):.3f}")
    return f"| {name} | {' | '.join(columns)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("backbones", nargs="+")
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--heads", default=",".join(HEADS))
    chosen = parser.parse_args()
    table = label_tables.read_labels(chosen.table, labels.choose(chosen.labels, chosen.table))
    ids = [naming.name(path.name) for path in listing.chips([chosen.chips])]
    truth = table.truth[select(table.ids, ids)]
    fold = folds.stratify(truth, folds=5, seed=0)
    print(f"{len(truth)} chips, five folds; F2 at a flat {FLAT_THRESHOLD} and by nested cuts, F1 at 0.5\n")
    print("| scores | F2 flat | F2 nested cuts | micro F1 | macro F1 | mAP |\n|---|---|---|---|---|---|")
    print(row("constant answer", truth, np.tile(frequent_tags(truth).astype(np.float32), (len(truth), 1)), fold))
    matrices = []
    for entry in chosen.backbones:
        name, _, weights = entry.partition("=")
        backbone, _, cut = name.partition(":")
        known = vectors(chosen.chips, FeatureExtractor(backbone, cut or "top", weights, SIDE)).vectors
        for head in chosen.heads.split(","):

            def fit(train: np.ndarray, held: np.ndarray, head: str = head, known: np.ndarray = known) -> np.ndarray:
                return HEADS[head](known[train], truth[train], 0).scores(known[held])

            matrices.append(folds.out_of_fold(fit, fold, truth.shape[1]))
            print(row(f"{name} {head}", truth, matrices[-1], fold), flush=True)
    if len(matrices) > 1:
        print(row("mean of all above", truth, blend.mean(matrices), fold))


if __name__ == "__main__":
    sys.exit(main())

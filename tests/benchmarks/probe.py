"""Compare vectors of frozen backbones by a plain linear probe, out of fold, and the mean of several.

    python -m tests.benchmarks.probe CHIPS LABELS [--first 702] [+]BACKBONE[:LAYER][@SIDE]=WEIGHTS ...

Each gets a row: one view, five folds, a flat threshold of 0.2. The probe is least squares on standardised vectors with
one L2 strength for all labels, by leave-one-out error; its values are the scores. It is simpler than the heads of
`ensemble.heads`, so that others can repeat it. mAP is over the labels that 10 or more chips carry, and the Brier score
over all.

The scores of backbones with a `+` are averaged; from the second on, the mean so far has a row too, with the paired
interval of its gain over the mean before. CHIPS is a folder. Only the first chips of the label table are used, so that
later chips do not change the table.
"""

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import select
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import read_bank
from ensemble.arrays import Floats, Fold, Scores, Tags, Vectors
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.metrics import folds, score
from features.images import listing
from features.images.listing import Listing
from tests.benchmarks import tables

SIDE = 256  # pixels that chips are resized to where no side is stated
MIN_CHIPS = 10  # of a label in mAP: the average precision of a rarer one is noise
STRENGTHS = np.logspace(-1, 5, 13)  # of L2, for standardised vectors; the best ones lie well inside
ARGUMENT = re.compile(r"(\+?)(\w+)(?::(\w+))?(?:@(\d+))?=(.+)")


def compute_vectors(chips: Listing, extractor: FeatureExtractor) -> Vectors:
    """Return the vectors of chips, in the order of their listing."""
    with tempfile.TemporaryDirectory() as scratch:
        embed(list(chips.files()), Path(scratch, "bank"), extractor)
        return np.array(read_bank(Path(scratch, "bank")).vectors)  # a copy: the file is removed


def probe(vectors: Vectors, truth: Tags, fold: Fold) -> Scores:
    """Return the out-of-fold values (chips, labels) of the linear probe, which may be outside of 0 and 1."""

    def fit(train: Fold, held_out: Fold) -> Scores:
        model = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS)).fit(vectors[train], truth[train].astype(np.float64))
        return np.asarray(model.predict(vectors[held_out]), np.float32)

    return folds.out_of_fold(fit, fold)


def f2_of_chips(truth: Tags, scores: Scores) -> Floats:
    """Return F2 of every chip at the flat threshold."""
    return score.per_chip(truth, apply_thresholds(np.clip(scores, 0, 1), FLAT_THRESHOLD))


def row(name: str, truth: Tags, scores: Scores, *, base: Scores | None = None) -> str:
    """Return a row: F2, its gain over the scores of `base` with the paired interval, mAP and the Brier score."""
    f2 = f2_of_chips(truth, scores)
    gain = ""
    if base is not None:
        gains = f2 - f2_of_chips(truth, base)
        low, high = score.bootstrap_interval(gains)
        gain = f"{gains.mean():+.4f} ({low:+.4f} to {high:+.4f})"
    common = truth.sum(axis=0) >= MIN_CHIPS
    precision = score.mean_average_precision(truth[:, common], scores[:, common])
    return f"| {name} | {f2.mean():.4f} | {gain} | {precision:.3f} | {np.mean((scores - truth) ** 2):.4f} |"


def measure(options: argparse.Namespace, chips: Listing, truth: Tags) -> None:
    """Print the rows."""
    fold = folds.stratify(truth, folds=5, seed=0)
    print(f"| vectors | F2 at a flat {FLAT_THRESHOLD} | gain over the mean before | mAP | Brier |")
    print("|---|---|---|---|---|")

    joined: list[Scores] = []
    for argument in options.backbones:
        match = ARGUMENT.fullmatch(argument)
        if match is None:
            raise SystemExit(f"{argument!r} must be [+]BACKBONE[:LAYER][@SIDE]=WEIGHTS")
        plus, backbone, layer, side, weights = match.groups()
        extractor = FeatureExtractor(backbone, layer or "top", weights, int(side or SIDE))
        name = f"{backbone}, {extractor.layer}, {extractor.side} px"
        scores = probe(compute_vectors(chips, extractor), truth, fold)
        print(row(f"{plus} {name}".strip(), truth, scores), flush=True)

        if plus:
            before = [*joined]
            joined.append(scores)
            if before:
                means = [np.mean(matrices, axis=0) for matrices in (joined, before)]
                print(row(f"mean of the first {len(joined)} marked +", truth, means[0], base=means[1]), flush=True)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("backbones", nargs="+", metavar="[+]BACKBONE[:LAYER][@SIDE]=WEIGHTS")
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--first", type=int, help="use this many chips of the table")
    tables.add_options(parser)
    options = parser.parse_args()

    table = truth_tables.read_truth(options.table, labels.choose(options.labels, options.table))
    chips = listing.chips([options.chips])
    used = set(table.ids[: options.first])
    chips = chips.take([row for row, name in enumerate(chips.names()) if name in used])
    truth = table.truth[select(table.ids, chips.names())]
    data = f"{len(truth):,} chips, {truth.shape[1]} labels; one view, five folds stratified by label"
    with tables.recorded(options, script="probe", data=data):
        measure(options, chips, truth)


if __name__ == "__main__":
    main()

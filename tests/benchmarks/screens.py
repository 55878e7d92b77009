"""Measure whether class separation or alignment ranks backbones and layers as linear probes do.

    python -m tests.benchmarks.screens CHIPS LABELS --bank DIR [--labels table] --weights BACKBONE=FILE ...

Each backbone with weights is measured at the layers of `LAYERS`. The probe is that of `amazon_tags inspect separation`:
ridge heads out of fold, with a flat threshold. The width of the vectors stands beside the measures, as what is known
without chips. The first interval of a rank correlation is over resampled pairs of backbone and layer, the second over
the chips of the probes; `within a backbone` is the mean over backbones. Of equal values a measure
chooses the better probe's. The vectors stay in the bank.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

from amazon_tags.inspection.probe import probe_f2
from amazon_tags.training.compared_backbones import LAYER_SIGN, ComparedBackbones, ComparisonOptions, read_compared
from amazon_tags.training.training_data import TrainingSource
from ensemble.arrays import Floats
from ensemble.choice import gain_over
from ensemble.representation.alignment import STEPS, explained_shares, measure_alignment
from ensemble.representation.separation import tag_separations
from tests.benchmarks import tables
from tests.benchmarks.frozen_road import JOBS

MOBILENET_V2 = ("block_3_project_BN", "block_6_project_BN", "block_10_project_BN", "block_14_add", "top")
LAYERS = {  # from early to late, as `search_layers` has them
    "mobilenet_v2_035": MOBILENET_V2,
    "mobilenet_v2": MOBILENET_V2,
    "mobilenet_v3_small": (
        "expanded_conv_3_project_bn",
        "expanded_conv_5_add",
        "expanded_conv_8_project_bn",
        "expanded_conv_9_add",
        "top",
    ),
    "efficientnet_lite0": ("block3a_project_bn", "block4b_add", "block5c_add", "block6b_add", "top"),
    "dinov2_vits14": ("block4", "block8", "top"),
}
MEASURES = ("width", "separation", "alignment")
DRAWS = 2000  # of the bootstraps


@dataclass(frozen=True)
class Measured:
    """A backbone that ends at a layer: the values of `MEASURES`, and F2 of its probe for each chip (chips,)."""

    name: str
    values: tuple[float, float, float]
    f2: Floats


def read_pairs(options: argparse.Namespace) -> ComparedBackbones:
    """Check each backbone with weights at each of its layers, and read the chips."""
    weights = {name: Path(file) for name, _, file in (text.partition("=") for text in options.weights)}
    names = [f"{name}{LAYER_SIGN}{layer}" for name in weights for layer in LAYERS[name]]
    source = TrainingSource(options.chips, options.table, options.labels)
    return read_compared(source, tuple(names), ComparisonOptions(weights, bank=options.bank, jobs=JOBS), least=2)


def measure_pairs(compared: ComparedBackbones) -> list[Measured]:
    """Return what is measured of each pair, the best probe first."""
    fold, truth = compared.divide(), compared.data.truth
    found = []
    for name, embedding in compared.embeddings():
        vectors = embedding.vectors
        separation = float(np.nanmean(tag_separations(vectors, truth)))
        alignment = float(np.nanmean(explained_shares(measure_alignment(vectors, truth), truth, STEPS)))
        found.append(Measured(name, (vectors.shape[1], separation, alignment), probe_f2(vectors, compared, fold)))
    return sorted(found, key=lambda one: -one.f2.mean())


def rank_correlation(values: Floats, scores: Floats) -> float:
    """Return Spearman's rank correlation."""
    return float(spearmanr(values, scores).statistic)


def over_pairs(values: Floats, scores: Floats) -> tuple[float, float]:
    """Return the bootstrap interval of the rank correlation over resampled pairs."""
    draws = np.random.default_rng(0).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.nanquantile([rank_correlation(values[rows], scores[rows]) for rows in draws], [0.025, 0.975])
    return float(low), float(high)


def over_chips(values: Floats, f2: Floats) -> tuple[float, float]:
    """Return the bootstrap interval of the rank correlation over resampled chips of the probes' F2 (pairs, chips)."""
    rng, chips = np.random.default_rng(0), f2.shape[1]
    means = [f2[:, rng.integers(chips, size=chips)].mean(axis=1) for _ in range(DRAWS)]
    low, high = np.quantile([rank_correlation(values, scores) for scores in means], [0.025, 0.975])
    return float(low), float(high)


def within_backbones(names: list[str], values: Floats, scores: Floats) -> float:
    """Return the mean over backbones of the rank correlation over their layers."""
    backbones = np.array([name.partition(LAYER_SIGN)[0] for name in names])
    parts = [backbones == backbone for backbone in np.unique(backbones)]
    return float(np.mean([rank_correlation(values[part], scores[part]) for part in parts]))


def print_measure(measure: str, found: list[Measured]) -> None:
    """Print how well a measure ranks the pairs, which are in the order of their probes."""
    values = np.array([one.values[MEASURES.index(measure)] for one in found])
    f2 = np.stack([one.f2 for one in found])
    scores = f2.mean(axis=1)
    half = -(-len(found) // 2)
    choice = found[int(values.argmax())]
    behind, (low, high) = gain_over(choice.f2, found[0].f2)
    cells = [
        measure,
        f"{rank_correlation(values, scores):.2f} ({' to '.join(f'{end:.2f}' for end in over_pairs(values, scores))})",
        " to ".join(f"{end:.2f}" for end in over_chips(values, f2)),
        f"{within_backbones([one.name for one in found], values, scores):.2f}",
        f"{rank_correlation(values[:half], scores[:half]):.2f}",
        f"{choice.name}, {behind:.4f} ({low:.4f} to {high:.4f})",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def measure(compared: ComparedBackbones) -> None:
    """Print the pairs, and how well each measure ranks them."""
    found = measure_pairs(compared)
    print(f"Rank correlation with F2 of {len(found)} probes:\n")
    print("| measure | all (over pairs) | over chips | within a backbone | in the better half |", end="")
    print(" its choice, and F2 behind the best |\n|---|---|---|---|---|---|")
    for name in MEASURES:
        print_measure(name, found)

    ranks = [rankdata([-one.values[place] for one in found], "min").astype(int) for place in range(len(MEASURES))]
    print(f"\n| backbone and layer | F2 of the probe | {' | '.join(f'{name} (rank)' for name in MEASURES)} |")
    print(f"|---|---|{'---|' * len(MEASURES)}")
    for place, one in enumerate(found):
        width, *others = one.values
        texts = [str(width), *(f"{value:.3f}" for value in others)]
        cells = [f"{text} ({rank[place]})" for text, rank in zip(texts, ranks, strict=True)]
        print(f"| {one.name} | {one.f2.mean():.4f} | {' | '.join(cells)} |")


def add_pair_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `read_pairs` takes."""
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--weights", action="append", default=[], metavar="BACKBONE=FILE")


def check_pair_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse weights of no backbone, and of one without layers in the table."""
    names = [text.partition("=")[0] for text in options.weights]
    for name in names:
        if name not in LAYERS:
            parser.error(f"--weights is for {name}, but must be for one of {', '.join(LAYERS)}")
    if not names:
        parser.error("--weights must be there for at least one backbone")


def describe_data(compared: ComparedBackbones) -> str:
    """Return the line on the data for the page."""
    chips, labels = compared.data.truth.shape
    return f"{chips:,} chips, {labels} labels; one view, each backbone's own side, five folds stratified by label"


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_pair_options(parser)
    tables.add_options(parser)
    options = parser.parse_args()
    check_pair_options(parser, options)

    compared = read_pairs(options)
    with tables.recorded(options, script="screens", data=describe_data(compared)):
        measure(compared)


if __name__ == "__main__":
    main()

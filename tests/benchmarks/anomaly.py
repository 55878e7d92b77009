"""Measure whether the score of `amazon_tags embed --anomaly` finds foreign chips, by backbone and number of neighbours.

    python -m tests.benchmarks.anomaly KNOWN TABLE --foreign NAME=DIR ... --bank DIR --weights BACKBONE=FILE ...

With `--without TAG` chips that TABLE gives this tag are left out of KNOWN, so that such chips are foreign. A random
half of the chips of KNOWN is known; the other half are new chips that belong to it. The AUROC is the probability that a
random foreign chip lies farther from the known chips than a random new one that belongs: 0.5 is chance. Intervals of
95 % are over the new and the foreign chips of this one division. The second table has the shares of chips whose
percentile is at least 0.99, which the message of `embed` counts; of the chips that belong it should be 1 %. The vectors
stay in the bank. A folder of `--folder`, that `pretrain --method fcmae` wrote, gets a row `error` by its reconstruction
errors beside those by its distances.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.tables import labels, truth_tables
from amazon_tags.training.anomaly import UNUSUAL
from amazon_tags.training.embed import FeatureExtractor, build_network, read_extractor
from amazon_tags.training.feature_bank import bank_file, embed_chips
from amazon_tags.training.fingerprints import hash_chips
from amazon_tags.training.reconstruction import plan_errors
from ensemble.arrays import Floats, Vectors
from ensemble.metrics.sample_intervals import share
from ensemble.representation.anomaly import NEIGHBOURS, NONE, Anomaly, fit_known
from features.images.listing import ChipPath, Listing
from features.images.spec import ChipSpec
from features.networks import openvino_runtime
from tests.benchmarks import tables
from tests.benchmarks.frozen_road import JOBS

NUMBERS = (1, NEIGHBOURS, 50)  # of neighbours
DRAWS = 2000  # of the bootstrap
MAX_CHIPS = 400  # of a foreign set
BELONGING = "chips that belong"


@dataclass(frozen=True)
class Row:
    """Scores of sets of new chips by one score: what it is, and its numbers; higher is more foreign."""

    backbone: str
    score: str
    numbers: Mapping[str, Floats]
    percentiles: Mapping[str, Floats]


def embed_sets(sets: Mapping[str, dict[ChipPath, str]], extractor: FeatureExtractor, bank: Path) -> dict[str, Vectors]:
    """Return the vectors of sets of hashed chips, from the bank where it has them."""
    origin, own = read_extractor(extractor)
    return _run_network(sets, build_network(extractor, own, origin.spec), origin.spec, bank)


def measure_errors(
    sets: Mapping[str, dict[ChipPath, str]], extractor: FeatureExtractor, bank: Path
) -> dict[str, Floats]:
    """Return the reconstruction errors of sets of hashed chips; likewise."""
    spec = read_extractor(extractor)[0].spec
    plan = plan_errors(extractor.pretrained, spec, None, needed=True)
    assert plan is not None
    measured = _run_network(sets, plan.build(), spec, bank)
    return {name: errors[:, 0].astype(np.float64) for name, errors in measured.items()}


def _run_network(
    sets: Mapping[str, dict[ChipPath, str]], built: tuple[bytes, bytes], spec: ChipSpec, bank: Path
) -> dict[str, Vectors]:
    network = openvino_runtime.load(*built, jobs=JOBS)
    file = bank_file(bank, built, spec)
    return {name: embed_chips(hashes, network, spec, bank=file, jobs=JOBS, title=name) for name, hashes in sets.items()}


def rows(sets: Mapping[str, dict[ChipPath, str]], options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of the tables; of the first set, half is known."""
    first = next(iter(sets))
    order = np.random.default_rng(options.seed).permutation(len(sets[first]))
    half = len(order) // 2
    for backbone, extractor in extractors(options):
        vectors = embed_sets(sets, extractor, options.bank)
        known, vectors[first] = vectors[first][order[:half]], vectors[first][order[half:]]
        for neighbours in NUMBERS:
            scores = score_sets(vectors, known, neighbours)
            numbers = {name: anomaly.distance for name, anomaly in scores.items()}
            yield Row(backbone, str(neighbours), numbers, {name: one.percentile for name, one in scores.items()})
        if extractor.pretrained is not None:
            errors = measure_errors(sets, extractor, options.bank)
            own, errors[first] = np.sort(errors[first][order[:half]]), errors[first][order[half:]]
            shares = {name: np.searchsorted(own, one, side="left") / len(own) for name, one in errors.items()}
            yield Row(backbone, "error", errors, shares)


def extractors(options: argparse.Namespace) -> Iterator[tuple[str, FeatureExtractor]]:
    """Yield the names of the backbones, and what computes their vectors."""
    for argument in options.weights:
        backbone, _, weights = argument.partition("=")
        yield backbone, FeatureExtractor(backbone, weights=weights)
    for folder in options.folder:
        extractor = FeatureExtractor(str(folder)).resolve()
        yield f"{extractor.backbone} by fcmae", extractor


def score_sets(vectors: Mapping[str, Vectors], known: Vectors, neighbours: int) -> Mapping[str, Anomaly]:
    """Return the scores of sets of new chips."""
    measure = fit_known(known, neighbours=neighbours)
    return {name: measure.measure(matrix, np.full(len(matrix), NONE)) for name, matrix in vectors.items()}


def auroc(foreign: Floats, belonging: Floats) -> tuple[float, float, float]:
    """Return the probability that a foreign chip lies farther than one that belongs, with its interval."""
    farther = (foreign[:, np.newaxis] > belonging) + 0.5 * (foreign[:, np.newaxis] == belonging)
    rng = np.random.default_rng(0)
    rows, columns = (rng.multinomial(count, np.full(count, 1 / count), size=DRAWS) for count in farther.shape)
    draws = ((rows @ farther) * columns).sum(axis=1) / farther.size
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(farther.mean()), float(low), float(high)


def share_cell(percentiles: Floats) -> str:
    """Return the share of unusual chips, with its exact interval."""
    unusual = percentiles >= UNUSUAL
    low, high = share(int(unusual.sum()), len(unusual))
    return f"{unusual.mean():.1%} ({low:.1%} to {high:.1%})"


def measure(sets: Mapping[str, dict[ChipPath, str]], options: argparse.Namespace) -> None:
    """Print the tables; the first of the sets belongs, the others are foreign."""
    first, *foreign = sets
    shares = []
    print("AUROC by the distance to the k-th neighbour, or by the reconstruction error (error):\n")
    print(f"| backbone | k | {' | '.join(foreign)} |\n|---|---|{'---|' * len(foreign)}")
    for row in rows(sets, options):
        found = [auroc(row.numbers[name], row.numbers[first]) for name in foreign]
        cells = [f"{mean:.3f} ({low:.3f} to {high:.3f})" for mean, low, high in found]
        print(f"| {row.backbone} | {row.score} | {' | '.join(cells)} |", flush=True)
        if row.score in (str(NEIGHBOURS), "error"):
            shares.append([row.backbone, row.score, *(share_cell(row.percentiles[name]) for name in sets)])

    print(f"\nChips whose percentile is at least {UNUSUAL}:\n")
    print(f"| backbone | k | {BELONGING} | {' | '.join(foreign)} |\n|---|---|---|{'---|' * len(foreign)}")
    for cells in shares:
        print(f"| {' | '.join(cells)} |")


def belonging_chips(options: argparse.Namespace) -> Listing:
    """Return the chips of KNOWN, less those with the tag that is left out."""
    paths = list_chips([options.known])
    if not options.without:
        return paths
    space = labels.choose("planet", options.table)
    table = truth_tables.read_truth(options.table, space)
    tagged = table.truth[:, space.names.index(options.without)]
    left_out = {name for name, is_tagged in zip(table.ids, tagged, strict=True) if is_tagged}
    return paths.take([row for row, name in enumerate(paths.names()) if name not in left_out])


def random_chips(paths: Listing, count: int, seed: int) -> Listing:
    """Return random chips of a listing, or all where there are fewer."""
    return paths.take(np.sort(np.random.default_rng(seed).permutation(len(paths))[:count]).tolist())


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("known", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--without", metavar="TAG")
    parser.add_argument("--foreign", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--weights", action="append", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--folder", action="append", default=[], type=Path)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    tables.add_options(parser)
    options = parser.parse_args()

    listings = {BELONGING: belonging_chips(options)}
    for name, _, folder in (text.partition("=") for text in options.foreign):
        listings[name] = random_chips(list_chips([Path(folder)]), MAX_CHIPS, options.seed)
    sets = {name: dict(hash_chips(paths, jobs=JOBS)) for name, paths in listings.items()}
    count = len(listings[BELONGING])
    foreign = ", ".join(f"{len(sets[name])} of {name}" for name in list(sets)[1:])
    left_out = f", without those tagged {options.without}" if options.without else ""
    facts = f"{count // 2} known chips and {count - count // 2} new ones of the same set{left_out}; foreign: {foreign}"
    with tables.recorded(options, script="anomaly", data=facts):
        measure(sets, options)


if __name__ == "__main__":
    main()

"""Measure whether the score of `amazon_tags embed --anomaly` finds foreign chips, by backbone and number of neighbours.

    python -m tests.benchmarks.anomaly KNOWN TABLE --foreign NAME=DIR ... --bank DIR --weights BACKBONE=FILE ...

With `--without TAG` chips that TABLE gives this tag are left out of KNOWN, so that such chips are foreign. A random
half of the chips of KNOWN is known; the other half are new chips that belong to it. The AUROC is the probability that a
random foreign chip lies farther from the known chips than a random new one that belongs: 0.5 is chance. Intervals of
95 % are over the new and the foreign chips of this one division. The second table has the shares of chips whose
percentile is at least 0.99, which the message of `embed` counts; of the chips that belong it should be 1 %. The vectors
stay in the bank.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.tables import labels, truth_tables
from amazon_tags.training.anomaly import UNUSUAL
from amazon_tags.training.embed import FeatureExtractor, build_network, read_extractor
from amazon_tags.training.feature_bank import bank_file, embed_chips
from amazon_tags.training.fingerprints import hash_chips
from ensemble.arrays import Floats, Vectors
from ensemble.metrics.sample_intervals import share
from ensemble.representation.anomaly import NEIGHBOURS, NONE, Anomaly, fit_known
from features.images.listing import ChipPath, Listing
from features.networks import openvino_runtime
from tests.benchmarks import tables
from tests.benchmarks.frozen_road import JOBS

NUMBERS = (1, NEIGHBOURS, 50)  # of neighbours
DRAWS = 2000  # of the bootstrap
MAX_CHIPS = 400  # of a foreign set
BELONGING = "chips that belong"


def embed_sets(
    sets: Mapping[str, dict[ChipPath, str]], backbone: str, weights: str, bank: Path
) -> Mapping[str, Vectors]:
    """Return the vectors of sets of hashed chips, from the bank where it has them."""
    extractor = FeatureExtractor(backbone, weights=weights)
    origin, own = read_extractor(extractor)
    built = build_network(extractor, own, origin.spec)
    network = openvino_runtime.load(*built, jobs=JOBS)
    file = bank_file(bank, built, origin.spec)
    return {
        name: embed_chips(hashes, network, origin.spec, bank=file, jobs=JOBS, title=f"{backbone}, {name}")
        for name, hashes in sets.items()
    }


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
    print(f"AUROC by the distance to the k-th neighbour:\n\n| backbone | k | {' | '.join(foreign)} |")
    print(f"|---|---|{'---|' * len(foreign)}")
    for argument in options.weights:
        backbone, _, weights = argument.partition("=")
        vectors = dict(embed_sets(sets, backbone, weights, options.bank))
        order = np.random.default_rng(options.seed).permutation(len(vectors[first]))
        half = len(order) // 2
        known, vectors[first] = vectors[first][order[:half]], vectors[first][order[half:]]
        for neighbours in NUMBERS:
            scores = score_sets(vectors, known, neighbours)
            found = [auroc(scores[name].distance, scores[first].distance) for name in foreign]
            cells = [f"{mean:.3f} ({low:.3f} to {high:.3f})" for mean, low, high in found]
            print(f"| {backbone} | {neighbours} | {' | '.join(cells)} |", flush=True)
            if neighbours == NEIGHBOURS:
                shares.append([backbone, *(share_cell(scores[name].percentile) for name in sets)])

    print(f"\nChips whose percentile is at least {UNUSUAL}, with k = {NEIGHBOURS}:\n")
    print(f"| backbone | {BELONGING} | {' | '.join(foreign)} |\n|---|---|{'---|' * len(foreign)}")
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
    parser.add_argument("--weights", action="append", required=True, metavar="BACKBONE=FILE")
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

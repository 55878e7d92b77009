"""Measure whether members that are unlike each other by CKA make a better ensemble than the best of the same number.

    python -m tests.benchmarks.diverse_members CHIPS LABELS --bank DIR [--labels table] --weights BACKBONE=FILE ...

The members are ridge heads on the backbones and layers of `screens`. The second level `diverse` takes half of those of
like quality: the best one, and those least like it. In the first table all choices are made on the other folds. The
second takes all sets of so many members of like quality, joined by their mean: `gain` is F2 of the mean less the mean
F2 of its members. There the CKA and the F2 are of the same chips, so correlations are those that a choice could at best
make use of.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from amazon_tags.inspection.probe import HEAD
from amazon_tags.training.compared_backbones import ComparedBackbones
from ensemble.arrays import Floats, Rows, Scores, Tags, Vectors
from ensemble.choice import gain_over
from ensemble.decisions.thresholds import FLAT_THRESHOLD
from ensemble.heads.table import HEADS
from ensemble.metrics import folds
from ensemble.representation.cka import MinibatchCka
from ensemble.second_level import blend
from ensemble.second_level.diverse import diverse
from tests.benchmarks import tables
from tests.benchmarks.fine_tuned_road import f2_per_chip, mean_with_interval
from tests.benchmarks.screens import (
    add_pair_options,
    check_pair_options,
    describe_data,
    rank_correlation,
    read_pairs,
)

SIZES = (2, 3, 4)  # of the sets of members
LEAST_SETS = 3  # of one size, for a correlation

Choice = Callable[[Sequence[Scores], Tags], list[int]]  # of members, from their scores of some chips


def fit_members(compared: ComparedBackbones) -> dict[str, Scores]:
    """Return the out-of-fold scores (chips, labels) of a head on each backbone and layer."""
    fold, truth, seed = compared.divide(), compared.data.truth, compared.options.seed
    matrices = {}
    for name, embedding in compared.embeddings():
        vectors = embedding.vectors

        def fit(train: Rows, held_out: Rows, vectors: Vectors = vectors) -> Scores:
            return HEADS[HEAD](vectors[train], truth[train], seed).scores(vectors[held_out])

        matrices[name] = folds.out_of_fold_scores(fit, fold, truth.shape[1])
    return matrices


def diverse_places(matrices: Sequence[Scores], truth: Tags) -> list[int]:
    """Return the members that the second level `diverse` takes."""
    places: list[int] = np.flatnonzero(diverse(matrices, truth, 0).weights[:, 0]).tolist()
    return places


def best_places(matrices: Sequence[Scores], truth: Tags) -> list[int]:
    """Return the members with the best F2, as many as `diverse_places`."""
    order = sorted(range(len(matrices)), key=lambda place: -f2_per_chip(truth, matrices[place]).mean())
    return order[: len(diverse_places(matrices, truth))]


def best_place(matrices: Sequence[Scores], truth: Tags) -> list[int]:
    """Return the member with the best F2."""
    return best_places(matrices, truth)[:1]


def all_places(matrices: Sequence[Scores], truth: Tags) -> list[int]:  # noqa: ARG001  as the other choices
    """Return all members."""
    return list(range(len(matrices)))


CHOICES: dict[str, Choice] = {
    "the best of the same number": best_places,  # the first is what the others are compared with
    "diverse": diverse_places,
    "the best one": best_place,
    "all": all_places,
}


def print_choices(matrices: Sequence[Scores], compared: ComparedBackbones) -> None:
    """Print F2 of each choice of members, which is made on the other folds."""
    truth, fold = compared.data.truth, compared.divide()
    print(f"| mean of | members in each fold | F2 at a flat {FLAT_THRESHOLD} | gain over the first row |")
    print("|---|---|---|---|")
    first: Floats | None = None
    for name, choose in CHOICES.items():
        counts: list[str] = []

        def fit(train: Rows, held_out: Rows, choose: Choice = choose, counts: list[str] = counts) -> Scores:
            places = choose([matrix[train] for matrix in matrices], truth[train])
            counts.append(str(len(places)))
            return blend.mean([matrices[place][held_out] for place in places])

        f2 = f2_per_chip(truth, folds.out_of_fold_scores(fit, fold, truth.shape[1]))
        first = f2 if first is None else first
        gain, (low, high) = gain_over(first, f2)
        text = "" if f2 is first else f"{gain:+.4f} ({low:+.4f} to {high:+.4f})"
        print(f"| {name} | {', '.join(counts)} | {mean_with_interval(f2)} | {text} |", flush=True)


def print_sets(matrices: Sequence[Scores], truth: Tags) -> None:
    """Print how CKA and F2 of members go with F2 of their mean, over all sets of members of like quality."""
    f2 = [f2_per_chip(truth, matrix) for matrix in matrices]
    best = max(f2, key=lambda one: float(one.mean()))
    like = [place for place, one in enumerate(f2) if gain_over(one, best)[1][0] <= 0]
    similarity = MinibatchCka()
    similarity.update(matrices, matrices)
    cka = similarity.similarities()

    within = [cka[pair] for pair in combinations(like, 2)]
    print(f"\n{len(like)} of {len(matrices)} members are of like quality, with a CKA of {min(within):.2f} to", end=" ")
    print(f"{max(within):.2f} between two. Rank correlation of:\n")
    print(
        "| members in a set | sets | CKA with gain | CKA with F2 of the mean | F2 of the members with F2 of the mean |"
    )
    print("|---|---|---|---|---|")
    for size in SIZES:
        sets = list(combinations(like, size))
        if len(sets) < LEAST_SETS:
            continue
        alike = np.array([np.mean([cka[pair] for pair in combinations(places, 2)]) for places in sets])
        alone = np.array([np.mean([f2[place].mean() for place in places]) for places in sets])
        joined = np.array(
            [f2_per_chip(truth, blend.mean([matrices[place] for place in places])).mean() for places in sets]
        )
        pairs = ((alike, joined - alone), (alike, joined), (alone, joined))
        cells = [f"{rank_correlation(*pair):+.2f}" for pair in pairs]
        print(f"| {size} | {len(sets):,} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_pair_options(parser)
    tables.add_options(parser)
    options = parser.parse_args()
    check_pair_options(parser, options)

    compared = read_pairs(options)
    with tables.recorded(options, script="diverse_members", data=describe_data(compared)):
        matrices = list(fit_members(compared).values())
        print_choices(matrices, compared)
        print_sets(matrices, compared.data.truth)


if __name__ == "__main__":
    main()

"""Measure what the queue of `amazon_tags review` is worth: planted errors found, and F2 after corrections by an oracle.

    amazon_tags embed CHIPS --backbone mobilenet_v3_small --weights FILE -o vectors.parquet
    python -m tests.benchmarks.review_value vectors.parquet LABELS

Errors are planted in the labels. A ridge head is trained on them out of fold, as the recipe `frozen` does, and its
scores order the chips. `found` is the share of the planted errors on the first 100 chips of the queue, with the 95 %
t-interval over seeds. Then the labels of the first chips are set right, the head is trained again in the same folds,
and F2 is measured against the labels of the table, which count as the truth. F2 is the mean over seeds; intervals of
gains are paired bootstraps over chips. Planted errors are of three kinds:

    one label   one label of each tenth chip is flipped, any of the 17
    every label each label of each chip is flipped with a probability of 0.1
    realistic   each tenth chip has a tag in place of another: road and water, cultivation and agriculture, the weather
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from scipy.stats import t as student

from amazon_tags.model import decision_file
from amazon_tags.review.chips_to_review import ChipsToReview
from amazon_tags.review.orders import Order, order_rows
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.training.training_data import TrainingSource
from amazon_tags.training.vector_data import VectorData, read_vector_data
from ensemble.arrays import Floats, Fold, Rows, Scores, Tags
from ensemble.decisions.decision import flat_decision
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.heads.table import HEADS
from ensemble.metrics import folds, score
from tests.benchmarks import tables

SHARE = 0.1  # of the chips, or of the labels, that are wrong
LOOKED_AT = 100  # chips of which the errors found are counted
CORRECTED = (50, 100, 200)  # chips
FIRST_SEED = 100  # the order `worth` was chosen on the seeds 0 to 5
SWAPS = (("road", "water"), ("cultivation", "agriculture"))
RANDOM = "random"
FOUND_ONLY = ("expected",)  # orders of which no head is trained again, to save time


def plant_one_label(truth: Tags, _space: LabelSpace, rng: np.random.Generator) -> Tags:
    """Flip one label of each tenth chip."""
    wrong = truth.copy()
    rows = rng.choice(len(truth), round(SHARE * len(truth)), replace=False)
    wrong[rows, rng.integers(truth.shape[1], size=len(rows))] ^= True
    return wrong


def plant_every_label(truth: Tags, _space: LabelSpace, rng: np.random.Generator) -> Tags:
    """Flip each label with a probability."""
    return truth ^ (rng.random(truth.shape) < SHARE)


def plant_realistic(truth: Tags, space: LabelSpace, rng: np.random.Generator) -> Tags:
    """Put a tag that is easily confused with another in its place, on each tenth chip."""
    wrong, left = truth.copy(), round(SHARE * len(truth))
    for row in rng.permutation(len(truth)):
        swaps = _possible_swaps(truth[row], space)
        if not swaps:
            continue
        old, new = swaps[rng.integers(len(swaps))]
        wrong[row, old], wrong[row, new] = False, True
        left -= 1
        if not left:
            break
    return wrong


def _possible_swaps(tags: Tags, space: LabelSpace) -> list[tuple[int, int]]:
    """Return pairs of a chip's tag and the one to put in its place; the three of the weather count as often as one."""
    columns = [(space.names.index(one), space.names.index(other)) for one, other in SWAPS]
    pairs = [(old, new) for both in columns for old, new in (both, both[::-1]) if tags[old] and not tags[new]]
    swaps = 3 * pairs
    for group in space.groups:
        members = [space.names.index(name) for name in group]
        (old, *others) = [column for column in members if tags[column]] or [-1]
        if old >= 0 and not others:
            swaps += [(old, new) for new in members if new != old]
    return swaps


KINDS: dict[str, Callable[[Tags, LabelSpace, np.random.Generator], Tags]] = {
    "one label": plant_one_label,
    "every label": plant_every_label,
    "realistic": plant_realistic,
}


def train_out_of_fold(data: VectorData, labels: Tags, fold: Fold) -> Scores:
    """Return the scores of a ridge head for each fold, trained on the labels of the others."""

    def fit(train: Rows, held_out: Rows) -> Scores:
        return HEADS["ridge"](data.vectors[train], labels[train], 0).scores(data.vectors[held_out])

    return folds.out_of_fold_scores(fit, fold, labels.shape[1])


def queues(data: VectorData, labels: Tags, scores: Scores, orders: Sequence[str], seed: int) -> dict[str, Rows]:
    """Return the rows of all chips in each order."""
    decision = flat_decision(labels.shape[1], rules=decision_file.rules(data.space))
    chips = ChipsToReview(data.ids, scores, labels, True, (), data.space, decision)
    found = {order: order_rows(chips, order) for order in get_args(Order) if order in orders}
    return found | {RANDOM: np.random.default_rng((seed, 1)).permutation(len(labels))}


def f2_per_chip(truth: Tags, scores: Scores) -> Floats:
    """Return F2 of each chip at the flat threshold."""
    return score.per_chip(truth, apply_thresholds(scores, FLAT_THRESHOLD))


def interval_over_seeds(values: Sequence[float]) -> str:
    """Return the mean and its 95 % t-interval."""
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(student.ppf(0.975, len(values) - 1)) * spread
    return f"{mean:.3f} ({mean - reach:.3f} to {mean + reach:.3f})"


def gain(one: Floats, other: Floats) -> str:
    """Return the mean gain over chips with its interval."""
    low, high = score.bootstrap_interval(one - other)
    return f"{(one - other).mean():+.4f} ({low:+.4f} to {high:+.4f})"


def measure_kind(
    data: VectorData, kind: str, options: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, dict[int, Floats]]]:
    """Return by order the share found for each seed, and the mean F2 (chips,) by number of corrected chips."""
    truth = data.truth
    found: dict[str, list[float]] = {}
    f2: dict[str, dict[int, Floats]] = {}
    for number in range(options.seeds):
        seed = FIRST_SEED + number
        labels = KINDS[kind](truth, data.space, np.random.default_rng(seed))
        fold = folds.stratify(labels)
        scores = train_out_of_fold(data, labels, fold)
        wrong = (labels != truth).sum(axis=1) if kind == "every label" else (labels != truth).any(axis=1)

        for order, rows in queues(data, labels, scores, options.orders, seed).items():
            found.setdefault(order, []).append(float(wrong[rows[:LOOKED_AT]].sum() / wrong.sum()))
            if number >= options.trainings or order in FOUND_ONLY:
                continue
            values = f2.setdefault(order, {count: np.zeros(len(truth)) for count in (0, *CORRECTED)})
            values[0] += f2_per_chip(truth, scores) / options.trainings
            for count in CORRECTED:
                corrected = labels.copy()
                corrected[rows[:count]] = truth[rows[:count]]
                values[count] += f2_per_chip(truth, train_out_of_fold(data, corrected, fold)) / options.trainings
    return found, f2


def measure(data: VectorData, options: argparse.Namespace) -> None:
    """Print a table of errors found, and one of F2, for each kind of errors."""
    results = {kind: measure_kind(data, kind, options) for kind in KINDS}
    print(f"Share of planted errors on the first {LOOKED_AT} of {len(data.ids)} chips, {options.seeds} seeds:\n")
    print(f"| order | {' | '.join(results)} |\n|---|{'---|' * len(results)}")
    for order in [*options.orders, RANDOM]:
        print(f"| {order} | {' | '.join(interval_over_seeds(found[order]) for found, _ in results.values())} |")

    right = f2_per_chip(data.truth, train_out_of_fold(data, data.truth, folds.stratify(data.truth)))
    print(f"\nF2 after corrections, mean of {options.trainings} seeds; {right.mean():.4f} without planted errors:\n")
    header = " | ".join(f"{count} chips | gain over random" for count in CORRECTED)
    print(f"| errors | order | 0 chips | {header} |\n|---|---|---|{'---|' * 2 * len(CORRECTED)}")
    for kind, (_, f2) in results.items():
        for order, values in f2.items():
            cells = [f"{values[0].mean():.4f}"]
            for count in CORRECTED:
                cells.append(f"{values[count].mean():.4f}")
                cells.append("" if order == RANDOM else gain(values[count], f2[RANDOM][count]))
            print(f"| {kind} | {order} | {' | '.join(cells)} |")


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--orders", nargs="+", default=["worth", "errors", "expected", "cleanlab"])
    parser.add_argument("--seeds", type=int, default=12, help="of planted errors, to count those found")
    parser.add_argument("--trainings", type=int, default=4, help="of these seeds, to train after corrections")
    tables.add_options(parser)
    options = parser.parse_args()

    data = read_vector_data(TrainingSource(options.vectors, options.table, options.labels))
    facts = f"{len(data.ids):,} labelled chips, vectors of {data.vectors.shape[1]} columns; ridge heads in five folds"
    with tables.recorded(options, script="review_value", data=facts):
        measure(data, options)


if __name__ == "__main__":
    main()

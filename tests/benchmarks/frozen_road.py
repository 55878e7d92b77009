"""Measure recipes of classical heads on frozen backbones, out of fold, by the functions of `amazon_tags train`.

    python -m tests.benchmarks.frozen_road CHIPS LABELS RECIPE ... --work DIR [--labels table] [--weights NAME=FILE] ...

Each member of each recipe has a row. The members that the last recipe ships are also averaged: the first two, the first
three and so on, and the best of all subsets. The best member and the best subset are chosen on the same folds, so
their figures are slightly too high. The last row repeats a choice in every fold without its chips: the simplest member
or subset that clearly gains over the first member and that no other clearly beats. "As the recipe decides" is by a
decision that was fitted on other chips.

Finished folds stay in the work folder, so a killed run resumes. UC Merced's and EuroSAT's labels need `--labels table`.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags.model import decision_file
from amazon_tags.model.recipe import Recipe
from amazon_tags.model.recipe_file import choose_recipe
from amazon_tags.training.combination import fit_recipe_decision, fit_second_level
from amazon_tags.training.examples import Examples
from amazon_tags.training.members import FittedMember, fit_member
from amazon_tags.training.preparation import chip_spec
from amazon_tags.training.training_data import TrainingData, TrainingSource, read_training_data
from ensemble.arrays import Floats, Fold, Rows, Scores, Tags
from ensemble.choice import choose_candidate, gain_over
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, frequent_tags
from ensemble.metrics import folds, score
from ensemble.second_level.candidates import SecondLevelResult
from tests.benchmarks import tables
from tests.benchmarks.fine_tuned_road import f2_per_chip, mean_with_interval, members_with_weights, work_folder

JOBS = 2  # threads
HEADER = (
    f"| scores | F2 at a flat {FLAT_THRESHOLD} | gain over the first member | gain over the best member "
    "| F2 as the recipe decides | macro F1 at 0.5 | mAP |"
)


@dataclass(frozen=True)
class Row:
    """Out-of-fold scores (chips, labels), and the recipe that decides on their tags."""

    scores: Scores
    recipe: Recipe


def make_examples(data: TrainingData, recipe: Recipe, options: argparse.Namespace) -> Examples:
    """Return the chips in the folds that `train` uses."""
    return Examples(
        data.paths,
        data.truth,
        chip_spec(recipe),
        folds.stratify(data.truth, folds=recipe.folds, seed=recipe.seed),
        views=1,
        seed=recipe.seed,
        jobs=JOBS,
        groups=decision_file.rules(data.space).groups,
        bank=Path(options.work, "bank"),
        hashes=data.hashes,
    )


def compare(truth: Tags, matrices: dict[str, Scores]) -> dict[str, SecondLevelResult]:
    """Return F2 of each matrix of scores, with its gain over the first."""
    f2 = {name: f2_per_chip(truth, scores) for name, scores in matrices.items()}
    first = next(iter(f2.values()))
    return {name: SecondLevelResult(scores, f2[name], *gain_over(first, f2[name])) for name, scores in matrices.items()}


def choose(truth: Tags, matrices: dict[str, Scores]) -> str:
    """Return the name of the scores to use, by the rule of `ensemble.choice` with the first as the baseline."""
    return choose_candidate(compare(truth, matrices), next(iter(matrices)))


def choose_in_folds(truth: Tags, fold: Fold, matrices: dict[str, Scores]) -> Scores:
    """Return out-of-fold scores: each fold's are of the member or subset that is chosen on the other folds."""

    def predict(train: Rows, held_out: Rows) -> Scores:
        name = choose(truth[train], {name: scores[train] for name, scores in matrices.items()})
        return matrices[name][held_out]

    return folds.out_of_fold(predict, fold)


def best(truth: Tags, matrices: dict[str, Scores]) -> str:
    """Return the name of the scores of highest F2 at the flat threshold."""
    return max(matrices, key=lambda name: f2_per_chip(truth, matrices[name]).mean())


def fit_members(recipe: Recipe, examples: Examples, options: argparse.Namespace) -> dict[str, FittedMember]:
    """Fit a recipe's members on all folds."""
    return {
        settings.name: fit_member(settings, examples, work_folder(options, examples, settings))
        for settings in members_with_weights(recipe, options)
    }


def mean_of_subsets(
    recipe: Recipe, truth: Tags, members: dict[str, FittedMember], fold: Fold
) -> dict[tuple[str, ...], Scores]:
    """Return the scores of all subsets of two and more members that the recipe ships, joined as it says."""
    return {
        names: fit_second_level(recipe, truth, [members[name].scores for name in names], fold).scores
        for size in range(2, len(recipe.ship) + 1)
        for names in itertools.combinations(recipe.ship, size)
    }


def text_of_row(name: str, row: Row, data: TrainingData, fold: Fold, others: Sequence[Floats]) -> str:
    """Return a row of the table, with the gains over others' F2 of each chip."""
    f2 = f2_per_chip(data.truth, row.scores)
    cells = [mean_with_interval(f2)]
    for other in others:
        gain, (low, high) = gain_over(other, f2)
        cells.append(f"{gain:+.4f} ({low:+.4f} to {high:+.4f})" if (f2 != other).any() else "")
    _, tags = fit_recipe_decision(row.recipe, data, row.scores, fold)
    cells.append(mean_with_interval(score.per_chip(data.truth, tags)))
    cells.append(f"{score.f1(data.truth, apply_thresholds(row.scores, 0.5), 'macro'):.3f}")
    cells.append(f"{score.mean_average_precision(data.truth, row.scores):.3f}")
    return f"| {name} | {' | '.join(cells)} |"


def measure(data: TrainingData, recipes: Sequence[Recipe], options: argparse.Namespace) -> None:
    """Fit all members, and print the table."""
    rate_scores = np.tile(frequent_tags(data.truth), (len(data.truth), 1)).astype(np.float32)
    rows = {"constant answer": Row(rate_scores, recipes[0])}
    singles: dict[str, Scores] = {}
    for recipe in recipes:
        examples = make_examples(data, recipe, options)
        members = fit_members(recipe, examples, options)
        scores = {f"{name}, {recipe.side} px": member.scores[0] for name, member in members.items()}
        singles |= scores
        rows |= {name: Row(matrix, recipe) for name, matrix in scores.items()}

    means = {
        f"mean of {', '.join(names)}": matrix
        for names, matrix in mean_of_subsets(recipe, data.truth, members, examples.fold).items()
    }
    first = [f"mean of {', '.join(recipe.ship[:size])}" for size in range(2, len(recipe.ship) + 1)]
    best_member, best_mean = best(data.truth, singles), best(data.truth, means)
    rows |= {name: Row(means[name], recipe) for name in first}
    rows[f"the best of {len(means)} means: {best_mean}"] = Row(means[best_mean], recipe)
    matrices = singles | means
    rows["the choice in the folds"] = Row(choose_in_folds(data.truth, examples.fold, matrices), recipe)

    print(f"{HEADER}\n|{'---|' * (HEADER.count('|') - 1)}")
    others = [f2_per_chip(data.truth, singles[name]) for name in (next(iter(singles)), best_member)]
    for name, row in rows.items():
        print(text_of_row(name, row, data, examples.fold, others), flush=True)
    print(f"\nThe best member is {best_member}. On all chips the choice is {choose(data.truth, matrices)}.")


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--weights", action="append", default=[])
    tables.add_options(parser)
    options = parser.parse_args()

    recipes = [choose_recipe(name) for name in options.recipes]
    if len(recipes[-1].ship) < 2:
        parser.error(f"{options.recipes[-1]} ships fewer than two members, which cannot be averaged")
    data = read_training_data(TrainingSource(options.chips, options.table, options.labels), JOBS)
    facts = f"{len(data.truth):,} chips, {data.truth.shape[1]} labels; one view, five folds stratified by label"
    with tables.recorded(options, script="frozen_road", data=facts):
        measure(data, recipes, options)


if __name__ == "__main__":
    main()

"""A recipe's members held against each other, out of fold, and what they are worth together.

    python -m tests.benchmarks.fine_tuned_road CHIPS LABELS RECIPE --work DIR [--labels table] [--weights NAME=FILE] ...

Prints a table of the members, each with one view and with eight, and its gain over the first; then every way of the
second level, with the choice itself. Finished folds are kept in the work folder, so a killed run goes on.
`--counts 100,200,400` draws a learning curve of the first member instead: trained on four fifths of so many chips,
measured on all that the fold holds out. `--tif FOLDER` tells what JPG and TIF of one chip say alone and together.
"""

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from amazon_tags.commands import options
from amazon_tags.model import decision_file
from amazon_tags.model.recipe import MemberSettings, Recipe, choose_recipe
from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.image_names import select
from amazon_tags.training.members import Examples, FittedMember, fit_member, member_cost, member_scores
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, nested_thresholds
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from ensemble.second_level.candidates import choose_second_level
from ensemble.second_level.pareto import pareto_front
from features.images import listing, naming, views
from features.images.chips import ChipSpec
from tests.benchmarks import visual_mapping
from tests.benchmarks.tif_agreement import NEAR


def gathered(chosen: argparse.Namespace, recipe: Recipe) -> tuple[Examples, list[str]]:
    """The labelled chips, in the folds that `train` makes of them."""
    table = label_tables.read_labels(chosen.table, labels.choose(chosen.labels, chosen.table))
    named = {naming.name(path.name): path for path in listing.chips([chosen.chips])}
    ids = [name for name in named if name in set(table.ids)]
    truth = table.truth[select(table.ids, ids)]
    fold = folds.stratify(truth, folds=recipe.folds, seed=recipe.seed)
    groups = decision_file.rules(table.space).groups
    spec = ChipSpec(side=recipe.side)
    paths = [named[name] for name in ids]
    return Examples(paths, truth, spec, fold, views.VIEWS, recipe.seed, 2, groups), ids


def interval(values: np.ndarray) -> str:
    """A mean and its 95 % interval."""
    low, high = score.bootstrap_interval(values)
    return f"{values.mean():.4f} ({low:.4f} to {high:.4f})"


def row(name: str, examples: Examples, scores: np.ndarray, first: np.ndarray) -> str:
    """One member: its F2 with one view and with all, by a flat cut and by nested ones, and its gain over the first."""
    truth = examples.truth
    matrices = [scores[0], scores.mean(axis=0), blend.equal(list(scores), "geometric").scores(list(scores))]
    worths = [score.per_chip(truth, apply_thresholds(matrix, FLAT_THRESHOLD)) for matrix in matrices]
    nested = score.per_chip(truth, nested_thresholds(matrices[1], truth, examples.fold))
    gain = worths[1] - first
    low, high = score.bootstrap_interval(gain)
    return (
        f"| {name} | {interval(worths[0])} | {interval(worths[1])} | {worths[2].mean():.4f} | {nested.mean():.4f} "
        f"| {score.log_loss(truth, matrices[1]):.4f} | {gain.mean():+.4f} ({low:+.4f} to {high:+.4f}) |"
    )


def members(recipe: Recipe, examples: Examples, chosen: argparse.Namespace) -> list[FittedMember]:
    """Every member fitted on all folds, a row each."""
    print("| member | F2, one view | F2, 8 views | geometric | nested cuts | log loss | gain over the first, 8 views |")
    print("|---|---|---|---|---|---|---|")
    fitted: list[FittedMember] = []
    first = np.zeros(0)
    for settings in started(recipe, chosen):
        teachers = [entry for entry in fitted if entry.settings.name in getattr(settings, "teachers", ())]
        entry = fit_member(settings, examples, folder_of(chosen, examples, settings), teachers)
        if not fitted:
            turned = entry.scores.mean(axis=0)
            first = score.per_chip(examples.truth, apply_thresholds(turned, FLAT_THRESHOLD))
        fitted.append(entry)
        print(row(settings.name, examples, entry.scores, first), flush=True)
    return fitted


def together(fitted: list[FittedMember], examples: Examples) -> None:
    """What each way of the second level makes of eight views of all members, and the front of time and size."""
    turned = [entry.scores.mean(axis=0, dtype=np.float32) for entry in fitted]
    chosen = choose_second_level(turned, examples.truth, examples.fold)
    print("\n| second level | F2 | gain over the mean |\n|---|---|---|")
    for name, trial in {**chosen.trials, "the choice itself": chosen.choice}.items():
        low, high = trial.interval
        print(f"| {name} | {interval(trial.worth)} | {trial.gain:+.4f} ({low:+.4f} to {high:+.4f}) |")
    costs = [member_cost(entry) for entry in fitted]
    print("\n| members, one view, averaged | ms a chip | MiB | F2 |\n|---|---|---|---|")
    for choice in pareto_front([entry.scores[0] for entry in fitted], examples.truth, costs):
        names = ", ".join(fitted[place].settings.name for place in choice.places)
        print(f"| {names} | {choice.cost.milliseconds:.2f} | {choice.cost.size / 2**20:.1f} | {choice.f2:.4f} |")


def curve(recipe: Recipe, examples: Examples, chosen: argparse.Namespace) -> None:
    """The first member trained on fewer chips, measured on all of them."""
    print("| labelled chips | F2, one view | F2, 8 views | log loss |\n|---|---|---|---|")
    settings = started(recipe, chosen)[0]
    rng = np.random.default_rng(recipe.seed)
    order = rng.permutation(len(examples.paths))
    for count in map(int, chosen.counts.split(",")):
        kept = np.sort(order[:count])
        few = replace(examples, paths=[examples.paths[place] for place in kept], truth=examples.truth[kept])
        few = replace(few, fold=examples.fold[kept])
        entry = fit_member(replace(settings, name=f"{settings.name}_{count}"), few, folder_of(chosen, few, settings))
        scores = np.zeros((views.VIEWS, *examples.truth.shape), np.float32)
        for number in range(recipe.folds):
            held = np.flatnonzero(examples.fold == number)
            scores[:, held] = member_scores(entry.folder / f"fold_{number}", examples, held)
        turned, truth = scores.mean(axis=0), examples.truth
        worths = [score.per_chip(truth, apply_thresholds(matrix, FLAT_THRESHOLD)) for matrix in (scores[0], turned)]
        print(f"| {count} | {interval(worths[0])} | {interval(worths[1])} | {score.log_loss(truth, turned):.4f} |")


def pairs(fitted: list[FittedMember], examples: Examples, ids: list[str], folder: Path) -> None:
    """The chips that there are as TIF of the same place too, scored by the networks of their own folds."""
    tifs = {naming.name(path.name): path for path in listing.chips([folder])}
    both = [place for place, name in enumerate(ids) if name in tifs]
    found = {place: visual_mapping.align(examples.paths[place], tifs[ids[place]]) for place in both}
    rows = np.array(
        [place for place, pair in found.items() if pair.correlation >= visual_mapping.ALIKE and abs(pair.shift) <= NEAR]
    )
    jpg, tif = (np.zeros((len(rows), examples.truth.shape[1]), np.float32) for _ in range(2))
    for entry in fitted:
        for place, line in enumerate(rows):
            unit = entry.folder / f"fold_{examples.fold[line]}"
            shown = replace(examples, paths=[tifs[ids[line]]], views=1)
            tif[place] += member_scores(unit, shown, np.array([0]))[0, 0] / len(fitted)
            jpg[place] += entry.scores[0, line] / len(fitted)
    truth = examples.truth[rows]
    print(f"\n| {len(rows)} chips, one view | F2 |\n|---|---|")
    for name, matrix in {"JPG": jpg, "TIF": tif, "both": (jpg + tif) / 2}.items():
        print(f"| {name} | {interval(score.per_chip(truth, apply_thresholds(matrix, FLAT_THRESHOLD)))} |")


def folder_of(chosen: argparse.Namespace, examples: Examples, settings: MemberSettings) -> Path:
    """The folder of what was trained by these settings on these chips."""
    said = repr((settings, [path.name for path in examples.paths], examples.truth.tobytes(), examples.fold.tobytes()))
    folder = Path(chosen.work, hashlib.sha256(said.encode()).hexdigest()[:16])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def started(recipe: Recipe, chosen: argparse.Namespace) -> list[MemberSettings]:
    """The members with the weights that were given."""
    given = dict(options.pair(text) for text in chosen.weights)
    return [replace(entry, weights=str(given.get(entry.backbone, entry.weights))) for entry in recipe.members]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("recipe")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--counts")
    parser.add_argument("--tif", type=Path)
    chosen = parser.parse_args()
    recipe = choose_recipe(chosen.recipe)
    examples, ids = gathered(chosen, recipe)
    if chosen.counts:
        curve(recipe, examples, chosen)
        return
    print(f"{len(ids)} chips, {recipe.folds} folds; cut at {FLAT_THRESHOLD}\n")
    fitted = members(recipe, examples, chosen)
    if len(fitted) > 1:
        together(fitted, examples)
    if chosen.tif:
        pairs(fitted, examples, ids, chosen.tif)


if __name__ == "__main__":
    sys.exit(main())

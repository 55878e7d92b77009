"""Compare a recipe's members out of fold, alone and together.

    python -m tests.benchmarks.fine_tuned_road CHIPS LABELS RECIPE --work DIR [--labels table] [--weights NAME=FILE] ...
        [--unlabelled FOLDER] ...

The tables show: each member with one view and with eight, and its gain over the first member; each way to join the
members, and the nested choice among them; the members that are best for their time and size. Finished folds stay in
the work folder, so a killed run resumes. Members with teachers learn from chips of `--unlabelled` folders, too.

`--counts 100,200,400` measures a learning curve of the first member instead: it is trained on four fifths of that many
chips and measured on all chips of the held-out fold. `--tif FOLDER` also compares the JPG and the TIF of one chip.
`--together NAMES`, more than once, compares the means of named members only, each with the first.
"""

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from amazon_tags.commands.backbone_options import parse_weights
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.model import decision_file
from amazon_tags.model.recipe import MemberSettings, Recipe
from amazon_tags.model.recipe_file import choose_recipe
from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import select
from amazon_tags.training.examples import Examples
from amazon_tags.training.member_files import member_scores
from amazon_tags.training.members import FittedMember, fit_member, member_cost
from ensemble.arrays import Floats, Scores, Tags
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, nested_thresholds
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from ensemble.second_level.candidates import choose_second_level
from ensemble.second_level.pareto import pareto_front
from features.images import views
from features.images.spec import ChipSpec
from tests.benchmarks import tables, visual_mapping
from tests.benchmarks.tif_agreement import MAX_ALIGNED_SHIFT_PIXELS


def read_examples(options: argparse.Namespace, recipe: Recipe) -> Examples:
    """Return the labelled chips, in the folds that `train` uses."""
    table = truth_tables.read_truth(options.table, labels.choose(options.labels, options.table))
    labelled = set(table.ids)
    paths = [path for path in visual_mapping.chip_files(options.chips) if path.stem in labelled]
    truth = table.truth[select(table.ids, [path.stem for path in paths])]
    fold = folds.stratify(truth, folds=recipe.folds, seed=recipe.seed)
    groups = decision_file.rules(table.space).groups
    spec = ChipSpec(side=recipe.side)
    unlabelled = [path for folder in options.unlabelled for path in list_chips([folder])]
    return Examples(paths, truth, spec, fold, views.VIEWS, recipe.seed, 2, groups, unlabelled)


def mean_with_interval(values: Floats) -> str:
    """Return a mean and its 95 % bootstrap interval as text."""
    low, high = score.bootstrap_interval(values)
    return f"{values.mean():.4f} ({low:.4f} to {high:.4f})"


def f2_per_chip(truth: Tags, scores: Scores) -> Floats:
    """Return F2 of each chip at the flat threshold."""
    return score.per_chip(truth, apply_thresholds(scores, FLAT_THRESHOLD))


def member_row(name: str, examples: Examples, scores: Scores, first: Floats) -> str:
    """Return a member's row: F2 with one view and with all views, and its gain over the first member.

    Args:
        name: The member's name.
        examples: The chips that were scored.
        scores: Out-of-fold scores of each view, (views, chips, labels).
        first: F2 of each chip by the first member with all views.
    """
    truth = examples.truth
    mean = scores.mean(axis=0)
    geometric = blend.equal(list(scores), "geometric").scores(list(scores))
    one_view, all_views, geometric_f2 = (f2_per_chip(truth, matrix) for matrix in (scores[0], mean, geometric))
    nested = score.per_chip(truth, nested_thresholds(mean, truth, examples.fold))

    gain = all_views - first
    low, high = score.bootstrap_interval(gain)
    return (
        f"| {name} | {mean_with_interval(one_view)} | {mean_with_interval(all_views)} | {geometric_f2.mean():.4f} "
        f"| {nested.mean():.4f} | {score.log_loss(truth, mean):.4f} | {gain.mean():+.4f} ({low:+.4f} to {high:+.4f}) |"
    )


def measure_members(recipe: Recipe, examples: Examples, options: argparse.Namespace) -> list[FittedMember]:
    """Fit every member on all folds and print a row for each."""
    print(
        "| member | F2, one view | F2, 8 views | F2, geometric mean of views | F2 at fitted thresholds | log loss "
        "| gain over the first, 8 views |"
    )
    print("|---|---|---|---|---|---|---|")

    fitted: list[FittedMember] = []
    first: Floats = np.zeros(0)
    for settings in members_with_weights(recipe, options):
        teachers = [member for member in fitted if member.settings.name in getattr(settings, "teachers", ())]
        member = fit_member(settings, examples, work_folder(options, examples, settings), teachers)
        if not fitted:
            first = f2_per_chip(examples.truth, member.scores.mean(axis=0))
        fitted.append(member)
        print(member_row(settings.name, examples, member.scores, first), flush=True)
    return fitted


def measure_second_level(fitted: list[FittedMember], examples: Examples) -> None:
    """Print each way to join the members by eight views, and the front of time and size by one view."""
    all_views = [member.scores.mean(axis=0, dtype=np.float32) for member in fitted]
    second_level = choose_second_level(all_views, examples.truth, examples.fold)
    print("\n| second level, 8 views | F2 | gain over the mean |\n|---|---|---|")
    for name, trial in {**second_level.trials, "the nested choice": second_level.choice}.items():
        low, high = trial.interval
        print(f"| {name} | {mean_with_interval(trial.f_beta)} | {trial.gain:+.4f} ({low:+.4f} to {high:+.4f}) |")

    costs = [member_cost(member) for member in fitted]
    front = pareto_front([member.scores[0] for member in fitted], examples.truth, costs)
    means: list[Scores] = [
        np.stack([fitted[place].scores[0] for place in choice.places]).mean(axis=0, dtype=np.float32)
        for choice in front
    ]
    f2 = [f2_per_chip(examples.truth, mean) for mean in means]
    print("\n| members, one view, averaged | ms per chip | MiB | F2 | mAP | gain of the last row |")
    print("|---|---|---|---|---|---|")
    for choice, mean, values in zip(front, means, f2, strict=True):
        names = ", ".join(fitted[place].settings.name for place in choice.places)
        low, high = score.bootstrap_interval(f2[-1] - values)
        gain = "" if values is f2[-1] else f"{(f2[-1] - values).mean():+.4f} ({low:+.4f} to {high:+.4f})"
        cost = f"{choice.cost.milliseconds:.2f} | {choice.cost.size / 2**20:.1f}"
        average_precision = score.mean_average_precision(examples.truth, mean)
        print(f"| {names} | {cost} | {choice.f2:.4f} | {average_precision:.3f} | {gain} |")


def measure_together(fitted: list[FittedMember], examples: Examples, groups: list[list[str]]) -> None:
    """Print a row for the mean of each group of members, and its gain over the first group."""
    print("\n| members, one view, averaged | F2 | mAP | log loss | gain over the first row |\n|---|---|---|---|---|")
    members = {member.settings.name: member.scores[0] for member in fitted}
    first: Floats = np.zeros(0)
    for names in groups:
        mean = np.stack([members[name] for name in names]).mean(axis=0, dtype=np.float32)
        f2 = f2_per_chip(examples.truth, mean)
        first = first if first.size else f2
        low, high = score.bootstrap_interval(f2 - first)
        gain = "" if names == groups[0] else f"{(f2 - first).mean():+.4f} ({low:+.4f} to {high:+.4f})"
        precision, loss = score.mean_average_precision(examples.truth, mean), score.log_loss(examples.truth, mean)
        print(f"| {', '.join(names)} | {mean_with_interval(f2)} | {precision:.3f} | {loss:.4f} | {gain} |")


def measure_learning_curve(recipe: Recipe, examples: Examples, options: argparse.Namespace) -> None:
    """Train the first member on fewer chips, measure it on all of them, and print a row for each number."""
    print("| labelled chips | F2, one view | F2, 8 views | log loss |\n|---|---|---|---|")
    settings = members_with_weights(recipe, options)[0]
    order = np.random.default_rng(recipe.seed).permutation(len(examples.paths))

    for count in map(int, options.counts.split(",")):
        rows = np.sort(order[:count])
        few = replace(
            examples,
            paths=[examples.paths[row] for row in rows],
            truth=examples.truth[rows],
            fold=examples.fold[rows],
        )
        member = fit_member(
            replace(settings, name=f"{settings.name}_{count}"), few, work_folder(options, few, settings)
        )

        scores = np.zeros((views.VIEWS, *examples.truth.shape), np.float32)
        for number in range(recipe.folds):
            held_out = np.flatnonzero(examples.fold == number)
            scores[:, held_out] = member_scores(member.folder / f"fold_{number}", examples, held_out)

        one_view, all_views = (f2_per_chip(examples.truth, matrix) for matrix in (scores[0], scores.mean(axis=0)))
        log_loss = score.log_loss(examples.truth, scores.mean(axis=0))
        print(f"| {count} | {mean_with_interval(one_view)} | {mean_with_interval(all_views)} | {log_loss:.4f} |")


def measure_tifs(fitted: list[FittedMember], examples: Examples, tifs: Path) -> None:
    """Compare JPG and TIF of the chips that show the same place in both, scored by the networks of their own folds."""
    tif_files = {path.stem: path for path in visual_mapping.chip_files(tifs)}
    rows = []
    for row, path in enumerate(map(Path, map(str, examples.paths))):
        if path.stem in tif_files:
            pair = visual_mapping.align(path, tif_files[path.stem])
            aligned = pair.correlation >= visual_mapping.MIN_CORRELATION
            if aligned and abs(pair.shift) <= MAX_ALIGNED_SHIFT_PIXELS:
                rows.append(row)

    jpg, tif = (np.zeros((len(rows), examples.truth.shape[1]), np.float32) for _ in range(2))
    for member in fitted:
        for place, row in enumerate(rows):
            fold_folder = member.folder / f"fold_{examples.fold[row]}"
            path = Path(str(examples.paths[row]))
            as_tif = replace(examples, paths=[tif_files[path.stem]], views=1)
            tif[place] += member_scores(fold_folder, as_tif, np.array([0]))[0, 0] / len(fitted)
            jpg[place] += member.scores[0, row] / len(fitted)

    print(f"\n| {len(rows)} chips that are the same place as JPG and TIF, one view | F2 |\n|---|---|")
    sources: dict[str, Scores] = {"JPG": jpg, "TIF": tif, "mean of both": np.mean([jpg, tif], axis=0, dtype=np.float32)}
    for name, scores in sources.items():
        print(f"| {name} | {mean_with_interval(f2_per_chip(examples.truth[rows], scores))} |")


def work_folder(options: argparse.Namespace, examples: Examples, settings: MemberSettings) -> Path:
    """Return the folder for what is trained by these settings on these chips."""
    names = [Path(str(path)).name for path in examples.paths]
    key = repr((settings, examples.spec, names, examples.truth.tobytes(), examples.fold.tobytes()))
    folder = Path(options.work, hashlib.sha256(key.encode()).hexdigest()[:16])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def members_with_weights(recipe: Recipe, options: argparse.Namespace) -> Sequence[MemberSettings]:
    """Return the recipe's members, starting from the weight files of the command line."""
    files = dict(parse_weights(text) for text in options.weights)
    return [
        replace(settings, weights=str(files.get(settings.backbone, settings.weights))) for settings in recipe.members
    ]


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("recipe")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--unlabelled", type=Path, action="append", default=[])
    parser.add_argument("--counts")
    parser.add_argument("--tif", type=Path)
    parser.add_argument("--together", action="append", metavar="NAMES", help="members to average, with commas")
    tables.add_options(parser)
    options = parser.parse_args()

    recipe = choose_recipe(options.recipe)
    examples = read_examples(options, recipe)
    data = f"{len(examples.paths):,} chips in {recipe.folds} folds; F2 at a flat threshold of {FLAT_THRESHOLD}"
    with tables.recorded(options, script="fine_tuned_road", data=data):
        if options.counts:
            measure_learning_curve(recipe, examples, options)
            return
        fitted = measure_members(recipe, examples, options)
        if options.together:
            measure_together(fitted, examples, [names.split(",") for names in options.together])
        elif len(fitted) > 1:
            measure_second_level(fitted, examples)
        if options.tif:
            measure_tifs(fitted, examples, options.tif)


if __name__ == "__main__":
    main()

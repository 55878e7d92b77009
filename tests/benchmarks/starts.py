"""Compare what fine-tuned networks start from, on all labelled chips and on few of them, out of fold.

    python -m tests.benchmarks.starts CHIPS LABELS --work DIR [--labels table] [--weights NAME=FILE] ...

The first table has F2 of each start and its gain over `random`. The second divides the gain of pretrained weights over
random ones, as Raghu et al. 2019 do: what remains if each tensor is redrawn with its own mean and variance (`stats`) is
due to statistics, the rest to the reuse of features. Shares of a gain that is not clearly above 0 are left out.

`transfer` keeps the first half of a backbone, up to the layer of `KEPT`. With `--starts random,grad` the table shows a
He start without and with GradInit. Few chips are drawn at random from those outside of the fold, the same for all
starts. Finished folds and epochs stay in the work folder, so a killed run resumes.
"""

import argparse
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from amazon_tags.model.recipe import MemberSettings, Recipe
from amazon_tags.training.examples import Examples
from amazon_tags.training.members import fit_member
from amazon_tags.training.preparation import check_recipe
from amazon_tags.training.training_data import TrainingSource, read_training_data
from ensemble.arrays import Floats, Scores
from ensemble.choice import gain_over
from ensemble.decisions.thresholds import FLAT_THRESHOLD
from ensemble.metrics import score
from ensemble.networks.settings import TunedMember
from features.initialisation.start import STARTS, TRANSFER
from tests.benchmarks import tables
from tests.benchmarks.fine_tuned_road import f2_per_chip, mean_with_interval, members_with_weights
from tests.benchmarks.frozen_road import JOBS, make_examples

KEPT = {"mobilenet_v2_035": "block_6_project_BN", "mobilenet_v3_small": "expanded_conv_5_add"}  # the last kept layer
DRAWS = 2000  # of the bootstrap of shares


def make_recipe(options: argparse.Namespace, *, epochs: int) -> Recipe:
    """Return a recipe with a member for each backbone and start."""
    members: list[MemberSettings] = []
    for backbone in options.backbones.split(","):
        for start in options.starts.split(","):
            init = f"{TRANSFER}:{KEPT[backbone]}" if start == TRANSFER else start
            members.append(TunedMember(f"{backbone}_{start}", backbone, init=init, epochs=epochs))
    recipe = Recipe(tuple(members), seed=options.seed, folds=options.folds, side=options.side)
    return replace(recipe, members=tuple(members_with_weights(recipe, options)))


def with_few_chips(examples: Examples, count: int) -> Examples:
    """Return the same folds, with so many chips to train on for each."""
    rng = np.random.default_rng(examples.seed)
    rests = [examples.training_rows(number) for number in range(examples.folds)]
    return replace(examples, subsets=[np.sort(rng.permutation(rest)[:count]) for rest in rests])


def out_of_fold_scores(settings: MemberSettings, examples: Examples, work: Path) -> Scores:
    """Return the scores (chips, labels) of one view, by a member that is trained in a folder of its own."""
    rows = [examples.training_rows(number).tobytes() for number in range(examples.folds)]
    key = repr((settings, examples.spec, examples.seed, examples.hashes, rows))
    folder = work / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    scores: Scores = fit_member(settings, examples, folder).scores[0]
    return scores


def share_text(part: Floats, whole: Floats) -> str:
    """Return the mean of one gain of chips (chips,) as a share of the mean of another, with its interval."""
    sums = score.resampled_sums(np.stack([part, whole], axis=1), 0, DRAWS)
    if np.quantile(sums[:, 1], 0.025) <= 0:
        return "-"
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return f"{part.sum() / whole.sum():.0%} ({low:.0%} to {high:.0%})"


def gain_text(first: Floats, f2: Floats) -> str:
    """Return the mean gain of F2 of chips (chips,) over another, with its paired interval."""
    gain, (low, high) = gain_over(first, f2)
    return f"{gain:+.4f} ({low:+.4f} to {high:+.4f})"


def print_shares(results: Mapping[tuple[str, str], Mapping[str, Floats]]) -> None:
    """Print how the gain of pretrained weights over random ones divides, by backbone and number of chips."""
    print("\n| backbone | training chips | gain of imagenet over random | by reuse of features | by statistics |")
    print("|---|---|---|---|---|")
    for (backbone, chips), f2 in results.items():
        gain = f2["imagenet"] - f2["random"]
        reuse, statistics = share_text(f2["imagenet"] - f2["stats"], gain), share_text(f2["stats"] - f2["random"], gain)
        print(f"| {backbone} | {chips} | {gain_text(f2['random'], f2['imagenet'])} | {reuse} | {statistics} |")


def measure(recipes: Mapping[str, tuple[Recipe, Examples]], work: Path) -> None:
    """Train all members and print the tables."""
    print(f"| backbone | training chips | start | F2 at a flat {FLAT_THRESHOLD} | gain over random | mAP |")
    print("|---|---|---|---|---|---|")
    results: dict[tuple[str, str], dict[str, Floats]] = {}
    for chips, (recipe, examples) in recipes.items():
        for settings in recipe.members:
            scores = out_of_fold_scores(settings, examples, work)
            f2 = results.setdefault((settings.backbone, chips), {})
            start = settings.init if isinstance(settings, TunedMember) else ""
            f2[start] = f2_per_chip(examples.truth, scores)
            gain = gain_text(f2["random"], f2[start]) if start != "random" else ""
            precision = score.mean_average_precision(examples.truth, scores)
            cells = [settings.backbone, chips, start, mean_with_interval(f2[start]), gain, f"{precision:.3f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    if all({"random", "stats", "imagenet"} <= set(f2) for f2 in results.values()):
        print_shares(results)


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--backbones", default=",".join(KEPT))
    parser.add_argument("--starts", default="random,stats,transfer,imagenet", help="random first")
    parser.add_argument("--few", type=int, default=100, help="chips of the small training; 0 leaves it out")
    parser.add_argument("--few-only", action="store_true", help="leave out the training on all chips")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--few-epochs", type=int, default=36, help="of the small training, whose epochs are short")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    tables.add_options(parser)
    options = parser.parse_args()

    for names, choices in ((options.backbones, KEPT), (options.starts, STARTS)):
        for name in names.split(","):
            if name not in choices:
                parser.error(f"{name!r} must be one of {', '.join(choices)}")
    if options.few_only and not options.few:
        parser.error("--few-only needs a number of --few chips")
    if options.starts.split(",")[0] != "random":
        parser.error("--starts must begin with random, which gains are over")
    return options


def main() -> None:
    """Measure and write the tables."""
    options = parse_options()
    data = read_training_data(TrainingSource(options.chips, options.table, options.labels), JOBS)
    whole = make_recipe(options, epochs=options.epochs)
    check_recipe(whole, {})
    examples = make_examples(data, whole, options)
    runs = {} if options.few_only else {"all": (whole, examples)}
    if options.few:
        few = make_recipe(options, epochs=options.few_epochs)
        runs = {str(options.few): (few, with_few_chips(examples, options.few)), **runs}
    facts = (
        f"{len(data.truth):,} chips, {data.truth.shape[1]} labels, {options.side} px; one view, {options.folds} folds "
        f"stratified by label; {options.epochs} epochs, {options.few_epochs} of few chips"
    )
    with tables.recorded(options, script="starts", data=facts):
        measure(runs, options.work)


if __name__ == "__main__":
    main()

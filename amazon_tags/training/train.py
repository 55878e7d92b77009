"""What `amazon_tags train` does: labelled chips and a recipe in, a bundle out."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.datasets import sample
from amazon_tags.files import atomic, folders, locks, preflight
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, decision_file, training_record
from amazon_tags.model.recipe import MemberSettings, Recipe, recipe_to_json
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.tables import labels, score_tables
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.card import card_text, measure_bundle
from amazon_tags.training.members import Examples, FittedMember, fit_member, member_cost, train_on_all
from amazon_tags.training.precision import add_int8, measure_precisions
from amazon_tags.training.training_data import TrainingData, TrainingSource, read_training_data
from ensemble.arrays import Scores
from ensemble.decisions import tuning
from ensemble.decisions.decision import Decision, decide_tags, fit_decision, flat_decision
from ensemble.decisions.thresholds import frequent_tags, nested_thresholds
from ensemble.decisions.tuning import TuningProblem
from ensemble.heads.table import HEADS
from ensemble.metrics import folds
from ensemble.networks.settings import FrozenMember, TunedMember
from ensemble.second_level import blend
from ensemble.second_level.candidates import (
    BASELINE,
    SECOND_LEVELS,
    SecondLevelResult,
    choose_second_level,
    compare_second_levels,
)
from ensemble.second_level.models import SecondLevel
from ensemble.second_level.pareto import best_within, pareto_front
from features.images import listing
from features.images.chips import ChipSpec
from features.networks import backbones, extract, inputs
from features.networks.openvino_runtime import ChipBatch

GOLDEN_TAGS = (
    "clear primary",
    "agriculture clear primary road",
    "haze primary water",
    "cloudy",
)  # rendered, so anybody's


@dataclass(frozen=True)
class TrainOptions:
    """What a training works with, beside a recipe.

    `weights` are files to start a backbone from, by its name, instead of what the recipe says; `views` dihedral views
    to report held-out scores of, beside a single one; `jobs` threads; `bank` a folder where vectors of frozen members
    are kept for other runs.
    """

    weights: dict[str, Path] = field(default_factory=dict)
    views: int = 1
    jobs: int = 2
    bank: Path | None = None


def train(source: TrainingSource, out: Path, *, recipe: Recipe, options: TrainOptions | None = None) -> dict[str, Any]:
    """Train on the chips and the table of a source; otherwise as `fit`."""
    options = options or TrainOptions()
    preflight.refuse_existing(out)
    check_recipe(recipe, options.weights, untold=bool(source.unlabelled))
    source.note.encode()  # what no card can hold is refused before the work
    return train_on(read_training_data(source, options.jobs), out, recipe=recipe, options=options)


def train_on(given: TrainingData, out: Path, *, recipe: Recipe, options: TrainOptions) -> dict[str, Any]:
    """Train every member of a recipe on folds and on all chips, and write the bundle `out`.

    Out-of-fold scores go beside it, as `<out>.scores.csv` and `<out>.scores.parquet`. What is finished is kept in
    `<out>.work`, so that a killed run goes on where it was; that folder goes when the bundle stands.

    Args:
        given: labelled chips.
        out: the bundle's folder, which must not exist.
        recipe: the recipe.
        options: weights, views, threads.

    Returns:
        The manifest of the bundle.
    """
    weights, views, jobs = options.weights, options.views, options.jobs
    preflight.refuse_existing(out)
    out_of_fold_tables = [out.with_name(f"{out.name}.scores{suffix}") for suffix in (".csv", ".parquet")]
    for path in out_of_fold_tables:
        preflight.refuse_unwritable(path)
    fold = folds.stratify(given.truth, folds=recipe.folds, seed=recipe.seed, groups=given.groups)
    spec = ChipSpec(recipe.bands, "uint8" if len(recipe.bands) == 3 else "uint16", recipe.side)
    starts = {name: sha256(path) for name, path in weights.items()}
    work = out.with_name(f"{out.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(work / "lock"):
        preflight.refuse_existing(out)  # by a run that has ended since
        groups = decision_file.rules(given.space).groups
        examples = Examples(
            given.paths,
            given.truth,
            spec,
            fold,
            views=views,
            seed=recipe.seed,
            jobs=jobs,
            groups=groups,
            unlabelled=given.unlabelled,
            unknown=given.unknown,
            bank=options.bank,
            hashes=given.hashes,
        )
        fitted: list[FittedMember] = []
        for settings in recipe.members:
            teachers = _teachers(settings, fitted)
            origin = starts.get(settings.backbone, settings.weights)
            taught_by = [entry.folder.parent.name for entry in teachers]
            key = _key(recipe, given, settings, origin, [views, hashlib.sha256(fold.tobytes()).hexdigest(), *taught_by])
            (work / key).mkdir(exist_ok=True)
            started = replace(settings, weights=str(weights.get(settings.backbone, settings.weights)))
            fitted.append(fit_member(started, examples, work / key, teachers))
        shipped, front = _shipped(recipe, given.truth, fitted)
        single, made_of, trials = _join(recipe, given.truth, [entry.scores[0] for entry in shipped], fold)
        averaged = [blend.equal(list(entry.scores), recipe.view_mean).scores(list(entry.scores)) for entry in shipped]
        name = made_of.name  # chosen on single views, and not anew on these
        turned = compare_second_levels(averaged, given.truth, fold, names=[name], seed=recipe.seed)[name].scores
        for path in out_of_fold_tables:
            score_tables.write_scores(path, [listing.name(path) for path in given.paths], single, given.space)
        made, tags = fit_decision_of(recipe, given, single, fold)
        prices = measure_precisions(
            shipped, examples, lambda matrices: decide_tags(made, made_of.second.scores(matrices))
        )
        measured = measure_bundle(given.truth, single, turned, fold, given.space, tags)
        story = {
            "recipe": recipe_to_json(recipe),
            "started_from": starts,
            "data": {
                "chips": len(given.paths),
                "unlabelled": len(given.unlabelled),
                "fingerprint": given.fingerprint,
                "groups": 0 if given.groups is None else len(np.unique(given.groups)),
                "note": given.note,
            },
            "views": views,
            "view_mean": recipe.view_mean,
            "decoder": made.decoder,
            "second": {"chosen": made_of.name, "trials": trials},
            "shipped": [entry.settings.name for entry in shipped],
            "front": front,
            "precision": prices,
            "scores": measured,
        }
        with folders.atomic_folder(out) as part:
            for number, entry in enumerate(shipped):
                inside = part / "members" / f"{number:02}-{entry.settings.name}"
                folders.copy_folder(train_on_all(entry, examples), inside)
                add_int8(entry, examples, inside)
            bundle.write_second(part, made_of.second)
            bundle.write_decision(part, given.space, made, frequent_tags(given.truth))
            atomic.write_text(part / "card.md", card_text(given.space, story))
            band_statistics = np.concatenate(
                [seen.band_statistics for seen in extract.stream_outputs(given.paths, [], spec, jobs=jobs)]
            )
            made_blind = TrainingRecord(given.hashes, single, given.truth, band_statistics, tags)
            atomic.write_bytes(part / training_record.FILE, training_record.pack(made_blind))
            bundle.seal(part, given.space, spec, _golden(spec), story)
    shutil.rmtree(work)
    progress.say(f"{out}: F2 {measured['f2']:.4f} out of fold")
    return bundle.read_manifest(out)


def fit_decision_of(
    recipe: Recipe, given: TrainingData, scores: NDArray[np.float32], fold: NDArray[np.int64]
) -> tuple[Decision, NDArray[np.bool_]]:
    """The recipe's decision, and the tags that it gives chips which its fit has not seen."""
    flat = flat_decision(scores.shape[1], rules=decision_file.rules(given.space))
    if recipe.decision == "flat":
        return flat, decide_tags(flat, scores)
    if recipe.decision == "cuts":
        made = fit_decision("cuts", flat.calibration, scores, given.truth, flat)
        return made, nested_thresholds(scores, given.truth, fold)
    tuned = tuning.tune_decision(TuningProblem(scores, given.truth, flat, {}, seed=recipe.seed, groups=given.groups))
    return tuned.decision, tuned.choice.tags


def _golden(spec: ChipSpec) -> ChipBatch:
    """Rendered chips of the spec; to a 16-bit sensor plants are as bright in near infrared as they are green."""
    pixels = np.stack([sample.render(tags.split(), seed=seed, side=spec.side) for seed, tags in enumerate(GOLDEN_TAGS)])
    if spec.dtype == "uint8":
        return pixels
    shown = {"red": 0, "green": 1, "blue": 2, "nir": 1}
    return (2000 + 30 * pixels[..., [shown[band] for band in spec.bands]].astype(np.uint16)).astype(np.uint16)


def check_recipe(recipe: Recipe, weights: dict[str, Path], *, untold: bool = False) -> None:
    """Refuse names that stand in no table, and chips without labels that nobody asked for, before any work."""
    taught = [entry.name for entry in recipe.members if isinstance(entry, TunedMember) and entry.teachers]
    if untold and not taught:
        raise ValueError("chips without labels teach nothing by themselves; give a member of the recipe teachers.")
    for settings in recipe.members:
        _known("backbone", settings.backbone, backbones.BACKBONES)
        _known(
            f"cut of {settings.backbone}", settings.layer, ["top", *backbones.BACKBONES[settings.backbone].truncations]
        )
        missing = [band for band in inputs.NEEDED_BANDS[settings.sees] if band not in recipe.bands]
        least = settings.shrink * (2 if isinstance(settings, TunedMember) and settings.progressive else 1)
        if not missing and recipe.side % least:
            raise ValueError(
                f"side {recipe.side} cannot be shrunk {least} times for {settings.name}; choose a multiple."
            )
        if missing:
            raise ValueError(
                f"{settings.name} sees {settings.sees}, but the recipe's chips have the bands "
                f"{', '.join(recipe.bands)}; "
                f"give it the bands that it lacks, {', '.join(missing)}."
            )
        if isinstance(settings, FrozenMember):
            _known("head", settings.head, HEADS)
    for name in weights:
        _known("backbone in the recipe", name, [settings.backbone for settings in recipe.members])


def _known(what: str, name: str, names: Iterable[str]) -> None:
    known = list(dict.fromkeys(names))
    if name not in known:
        near = did_you_mean(name, known)
        raise ValueError(f"there is no {what} named {name}{near}; choose from {', '.join(known)}.")


@dataclass(frozen=True)
class _Second:
    """A second level that was fitted, and its name."""

    second: SecondLevel
    name: str


def _join(
    recipe: Recipe, truth: NDArray[np.bool_], matrices: list[Scores], fold: NDArray[np.int64]
) -> tuple[Scores, _Second, dict[str, Any]]:
    """Scores that the recipe's second level gives chips which its fit has not seen, itself, and what it was held to."""
    if recipe.second == "chosen" and len(matrices) > 1:
        chosen = choose_second_level(matrices, truth, fold, seed=recipe.seed)
        trials = {**chosen.trials, "the choice itself": chosen.choice}
        return chosen.choice.scores, _Second(chosen.second, chosen.name), {n: _told(t) for n, t in trials.items()}
    name = recipe.second if len(matrices) > 1 else BASELINE
    trials = compare_second_levels(matrices, truth, fold, names=[name], seed=recipe.seed)
    made = SECOND_LEVELS[name](matrices, truth, recipe.seed)
    return trials[name].scores, _Second(made, name), {n: _told(t) for n, t in trials.items()}


def _told(trial: SecondLevelResult) -> dict[str, Any]:
    return {"f2": float(trial.f_beta.mean()), "gain": trial.gain, "interval": list(trial.interval)}


def _shipped(
    recipe: Recipe, truth: NDArray[np.bool_], fitted: list[FittedMember]
) -> tuple[list[FittedMember], list[dict[str, Any]]]:
    """The members that go into the bundle, and the front that a budget was held against."""
    pool = [entry for entry in fitted if not recipe.ship or entry.settings.name in recipe.ship]
    if not recipe.budget_ms and not recipe.budget_mb:
        return pool, []
    costs = [member_cost(entry) for entry in pool]
    front = pareto_front([entry.scores[0] for entry in pool], truth, costs)
    best = best_within(
        front, milliseconds=recipe.budget_ms or np.inf, size=recipe.budget_mb * 2**20 if recipe.budget_mb else np.inf
    )
    told = [
        {
            "members": [pool[place].settings.name for place in choice.places],
            "ms": choice.cost.milliseconds,
            "mb": choice.cost.size / 2**20,
            "f2": choice.f2,
            "taken": choice == best,
        }
        for choice in front
    ]
    return [pool[place] for place in best.places], told


def _teachers(settings: MemberSettings, fitted: list[FittedMember]) -> list[FittedMember]:
    names = settings.teachers if isinstance(settings, TunedMember) else ()
    return [entry for entry in fitted if entry.settings.name in names]


def _key(recipe: Recipe, given: TrainingData, settings: MemberSettings, origin: str, rest: Sequence[Any]) -> str:
    """What a member's fit depends on: unfinished work is taken up again only by a run that would do the same."""
    chosen = [asdict(replace(settings, weights=origin)), recipe.seed, recipe.folds, recipe.side, recipe.bands]
    data = [labels.to_json(given.space), given.fingerprint]
    values = [chosen, data, keras.backend.backend(), version("amazon-tags"), *rest]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]

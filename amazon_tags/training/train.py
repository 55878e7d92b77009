"""The call behind `amazon_tags train`: labelled chips and a recipe in, a model bundle out."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, folders, locks, preflight
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle_writer, decision_file, training_record
from amazon_tags.model.manifest import DataSummary, Manifest
from amazon_tags.model.recipe import MemberSettings, Recipe, recipe_to_json, without_later_defaults
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.tables import labels, score_tables
from amazon_tags.training.band_statistics import normalised_spec
from amazon_tags.training.budget import choose_members
from amazon_tags.training.card import card_text, measure_bundle
from amazon_tags.training.combination import FittedSecondLevel, fit_recipe_decision, fit_second_level
from amazon_tags.training.examples import Examples
from amazon_tags.training.foreign_members import (
    read_foreign_backbones,
    stored_hashes,
    stored_licences,
    stored_recipe,
)
from amazon_tags.training.golden import golden_chips
from amazon_tags.training.member_files import ViewOutputs, cached_array
from amazon_tags.training.members import (
    ALL_CHIPS,
    BUNDLE_LESSONS,
    FittedMember,
    Member,
    PlannedMember,
    fit_member,
    train_on_all,
)
from amazon_tags.training.precision import add_int8, measure_precisions
from amazon_tags.training.preparation import (
    TrainOptions,
    bundle_start,
    check_outputs,
    chip_spec,
    prepare,
    refuse_few_chips,
)
from amazon_tags.training.pretrained_members import pretrained_starts, weight_hashes, without_paths
from amazon_tags.training.teacher_bundles import (
    Teacher,
    read_teachers,
    report_teachers,
    stored_teachers,
    teach,
)
from amazon_tags.training.training_data import TrainingData, TrainingSource
from ensemble.arrays import Tags
from ensemble.decisions.decision import Decision, decide_tags
from ensemble.decisions.thresholds import frequent_tags
from ensemble.metrics import folds
from ensemble.networks.settings import TunedMember
from features.images import listing
from features.images.layout import AS_STATED
from features.networks import extract

FitUnits = Callable[[Sequence[Member], Sequence[int]], None]


@dataclass(frozen=True)
class _Model:
    """What a bundle holds: its members, second level and decision, and the decision's out-of-fold tags."""

    members: Sequence[FittedMember]
    second: FittedSecondLevel
    decision: Decision
    tags: Tags


def train(source: TrainingSource, output: Path, *, recipe: Recipe, options: TrainOptions | None = None) -> Manifest:
    """Read labelled chips and train on them; see `train_on`.

    Raises:
        FileExistsError: `output` exists.
        ValueError: the recipe, the chips or their table cannot be used.
    """
    options = options or TrainOptions()
    return train_on(prepare(source, output, recipe=recipe, options=options), output, recipe=recipe, options=options)


def train_on(
    data: TrainingData, output: Path, *, recipe: Recipe, options: TrainOptions, fit_ahead: FitUnits | None = None
) -> Manifest:
    """Train a recipe's members on folds and on all chips, and write a model bundle.

    Out-of-fold scores are written beside it, as `<output>.scores.csv` and `<output>.scores.parquet`. Finished parts
    are kept in `<output>.work`, so that a killed run resumes where it stopped; the folder is removed at the end.

    Args:
        data: labelled chips.
        output: the bundle's folder, which must not exist.
        recipe: the recipe.
        options: weights, views, threads.
        fit_ahead: fits the units of these numbers, of members and of their teachers, into their folders by other
            processes; what it leaves out is fitted here.

    Returns:
        The manifest of the bundle.
    """
    check_outputs(output)
    refuse_few_chips(data, recipe)
    examples = make_examples(data, recipe, options)
    started_from = {name: sha256(path) for name, path in options.weights.items()}
    own = read_foreign_backbones(recipe)
    origins = started_from | {name: backbone.fingerprint for name, backbone in own.items()}
    teachers = read_teachers(recipe, data)
    report_teachers(teachers, len(data.paths))
    start = bundle_start(recipe, options)
    origins |= start.origins() if start else {}
    pretrained = pretrained_starts(recipe)
    origins |= weight_hashes(recipe, pretrained)
    work = output.with_name(f"{output.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(work / "lock"):
        preflight.refuse_existing(output)  # a run that has ended since may have written it

        started = start.recipe(recipe) if start else recipe
        plans = _plan_members(data, started, options.weights, origins, examples, work)
        if fit_ahead:
            fit_ahead(plans, range(examples.folds))
        members = _fit_planned(plans, examples)
        shipped, front = choose_members(recipe, data.truth, members)
        if fit_ahead:
            fit_ahead(shipped, [ALL_CHIPS])
        manifest = Manifest(
            space=data.space,
            spec=examples.spec,
            ground=recipe.ground or None,
            recipe=recipe_to_json(stored_teachers(without_paths(stored_recipe(recipe, own)), teachers)),
            started_from=started_from | stored_hashes(own),
            start=start.record() if start else None,
            teachers={teacher.stored_name: teacher.record for teacher in teachers.values()},
            pretrained=pretrained,
            licences=stored_licences(own),
            front=front,
        )
        manifest = finish_bundle(data, output, recipe, examples, shipped, manifest)
    shutil.rmtree(work)
    return manifest


def finish_bundle(
    data: TrainingData,
    output: Path,
    recipe: Recipe,
    examples: Examples,
    shipped: Sequence[FittedMember],
    manifest: Manifest,
) -> Manifest:
    """Combine fitted members, fit the decision, measure every precision, and write the bundle and its score tables.

    Args:
        data: the labelled chips.
        output: the bundle's folder.
        recipe: says how scores are combined and how they become tags.
        examples: the chips that the members were fitted on.
        shipped: the members of the bundle.
        manifest: what the bundle says of its members and their origin; the rest is filled in here.
    """
    second = fit_second_level(recipe, data.truth, [member.scores for member in shipped], examples.fold)
    for path in check_outputs(output):
        score_tables.write_scores(path, [listing.name(chip) for chip in data.paths], second.scores, data.space)

    decision, tags = fit_recipe_decision(recipe, data, second.scores, examples.fold)
    precision = measure_precisions(
        shipped, examples, lambda matrices: decide_tags(decision, second.model.scores(matrices))
    )
    scores = measure_bundle(data.truth, second.scores, second.averaged, examples.fold, data.space, tags)
    manifest = replace(
        manifest,
        data=_summarise(data),
        views=examples.views,
        view_mean=recipe.view_mean,
        decoder=decision.decoder,
        second=second.report,
        shipped=tuple(member.settings.name for member in shipped),
        precision=precision,
        scores=scores,
    )
    manifest = _write_bundle(output, data, examples, _Model(shipped, second, decision, tags), manifest)
    progress.say(f"{output}: F2 {scores.f2:.4f} out of fold")
    return manifest


def make_examples(data: TrainingData, recipe: Recipe, options: TrainOptions) -> Examples:
    """Return the labelled chips with the recipe's folds, as the training of members takes them."""
    return Examples(
        data.paths,
        data.truth,
        normalised_spec(chip_spec(recipe), data.paths, jobs=options.jobs),
        folds.stratify(data.truth, folds=recipe.folds, seed=recipe.seed, groups=data.groups),
        views=options.views,
        seed=recipe.seed,
        jobs=options.jobs,
        groups=decision_file.rules(data.space).groups,
        unlabelled=data.unlabelled,
        unknown=data.unknown,
        bank=options.bank,
        hashes=data.hashes,
    )


def fit_members(
    data: TrainingData,
    recipe: Recipe,
    weights: dict[str, Path],
    origins: dict[str, str],
    examples: Examples,
    work: Path,
) -> list[FittedMember]:
    """Fit the recipe's members in order, each in a folder whose name depends on all that its fit depends on."""
    return _fit_planned(_plan_members(data, recipe, weights, origins, examples, work), examples)


def _fit_planned(plans: Sequence[PlannedMember], examples: Examples) -> list[FittedMember]:
    return [fit_member(plan.settings, examples, plan.folder.parent, plan.teachers) for plan in plans]


def _plan_members(
    data: TrainingData,
    recipe: Recipe,
    weights: dict[str, Path],
    origins: dict[str, str],
    examples: Examples,
    work: Path,
) -> list[PlannedMember]:
    """Return the recipe's members, each after its teachers, with the folder that `fit_members` fits it in."""
    divided = b"".join([examples.fold.tobytes(), *(rows.tobytes() for rows in examples.subsets)])
    fold_hash = hashlib.sha256(divided).hexdigest()
    plans: list[PlannedMember] = []
    bundles = read_teachers(recipe, data)
    named = stored_teachers(recipe, bundles).members  # the same work, wherever the folders of teachers lie
    for settings, stored in zip(recipe.members, named, strict=True):
        teachers = _teachers(settings, plans)
        file = settings.weights if settings.weights in origins else None  # of this member alone
        folder = work / work_key(
            recipe,
            data,
            stored,
            origins[file] if file else origins.get(settings.backbone, settings.weights),
            [examples.views, fold_hash, *(teacher.folder.parent.name for teacher in teachers)],
        )
        (folder / settings.name).mkdir(parents=True, exist_ok=True)
        taught_by = [bundles[name] for name in getattr(settings, "teachers", ()) if name in bundles]
        _write_lessons(taught_by, data, examples, folder / settings.name)
        start = file or str(weights.get(settings.backbone, settings.weights))
        plans.append(PlannedMember(replace(settings, weights=start), folder / settings.name, teachers))
    return plans


def _write_lessons(teachers: Sequence[Teacher], data: TrainingData, examples: Examples, folder: Path) -> None:
    """Write what bundles say of all chips into the folder of a member that learns from them."""

    def make() -> ViewOutputs:
        return np.stack([teach(teacher, data, examples.spec.layout, jobs=examples.jobs) for teacher in teachers])

    if teachers:
        cached_array(folder / BUNDLE_LESSONS, make)


def _write_bundle(output: Path, data: TrainingData, examples: Examples, model: _Model, manifest: Manifest) -> Manifest:
    with folders.atomic_folder(output) as part:
        for number, member in enumerate(model.members):
            folder = part / "members" / f"{number:02}-{member.settings.name}"
            folders.copy_folder(train_on_all(member, examples), folder)
            add_int8(member, examples, folder)
        bundle_writer.write_second(part, model.second.model)
        bundle_writer.write_decision(part, data.space, model.decision, frequent_tags(data.truth))
        for name in ("card.md", "README.md"):  # model hubs show README.md
            atomic.write_text(part / name, card_text(manifest))

        stream = extract.stream_outputs(data.paths, [], examples.spec, jobs=examples.jobs)
        band_statistics = np.concatenate([outputs.band_statistics for outputs in stream])
        record = TrainingRecord(data.hashes, model.second.scores, data.truth, band_statistics, model.tags)
        atomic.write_bytes(part / training_record.FILE, training_record.pack(record))
        return bundle_writer.seal(part, manifest, golden_chips(examples.spec))


def _summarise(data: TrainingData) -> DataSummary:
    groups = 0 if data.groups is None else len(np.unique(data.groups))
    return DataSummary(
        chips=len(data.paths),
        unlabelled=len(data.unlabelled),
        fingerprint=data.fingerprint,
        groups=groups,
        note=data.note,
    )


def _teachers(settings: MemberSettings, plans: list[PlannedMember]) -> tuple[PlannedMember, ...]:
    names = settings.teachers if isinstance(settings, TunedMember) else ()
    return tuple(plan for plan in plans if plan.settings.name in names)


def work_key(recipe: Recipe, data: TrainingData, settings: MemberSettings, origin: str, rest: Sequence[Any]) -> str:
    """Return a name for all that a member's fit depends on, so that only the same fit resumes unfinished work."""
    member = without_later_defaults(asdict(replace(settings, weights=origin)))  # an older version's work is resumed
    chosen = [member, recipe.seed, recipe.folds, recipe.side, recipe.bands]
    chosen += [] if recipe.layout() == AS_STATED else [asdict(recipe.layout())]
    chosen += [{"dates": recipe.dates}] if recipe.dates > 1 else []
    source = [labels.to_json(data.space), data.fingerprint]
    values = [chosen, source, keras.backend.backend(), version("amazon-tags"), *rest]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]

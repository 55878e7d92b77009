"""The call behind `amazon_tags train FILE.parquet LABELS`: given vectors in, a bundle of heads out.

No network is built, so the `train` extra is not needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, folders, preflight
from amazon_tags.model import bundle_writer, training_record
from amazon_tags.model.bundle import ViewOutputs
from amazon_tags.model.manifest import DataSummary, Manifest
from amazon_tags.model.recipe import Recipe, recipe_from_json, recipe_to_json
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.model.vector_origin import unnamed_remark
from amazon_tags.tables import score_tables
from amazon_tags.training.card import card_text, measure_bundle
from amazon_tags.training.combination import FittedSecondLevel, fit_recipe_decision, fit_second_level
from amazon_tags.training.preparation import check_outputs, chip_spec, refuse_few_chips
from amazon_tags.training.training_data import TrainingSource
from amazon_tags.training.vector_data import VectorData, read_vector_data
from amazon_tags.training.vector_recipe import default_recipe, refuse_recipe
from ensemble.arrays import Fold, Tags, Vectors
from ensemble.decisions.decision import Decision
from ensemble.decisions.thresholds import frequent_tags
from ensemble.heads.fitted import Head
from ensemble.heads.head_files import save_head
from ensemble.heads.table import HEADS
from ensemble.metrics import folds, score
from ensemble.networks.settings import FrozenMember

GOLDEN_VECTORS = 4  # as many as there are golden chips
NO_PIXELS = (
    "vectors have no pixels: the bundle does not record the chips' colours, and copies of chips are not looked for; "
    "amazon_tags leaks finds them in the chips, and train --groups keeps them in one fold"
)


@dataclass(frozen=True)
class FittedHead:
    """A head that was fitted on all vectors, and its out-of-fold scores (1, chips, labels)."""

    name: str
    head: Head
    scores: ViewOutputs


@dataclass(frozen=True)
class _Model:
    """What a bundle holds: its heads, second level and decision, and the decision's out-of-fold tags."""

    heads: Sequence[FittedHead]
    second: FittedSecondLevel
    decision: Decision
    tags: Tags


def train_vectors(source: TrainingSource, output: Path, *, recipe: Recipe | None = None) -> Manifest:
    """Train the heads of a recipe on given vectors, and write a bundle that takes such vectors.

    Out-of-fold scores are written beside it, as `<output>.scores.csv` and `<output>.scores.parquet`.

    Args:
        source: labelled vectors: its `chips` are a Parquet file, as `amazon_tags embed` or another tool writes it.
        output: the bundle's folder, which must not exist.
        recipe: a recipe of frozen members, whose backbone is that of the vectors; None is one ridge head.

    Returns:
        The manifest of the bundle.

    Raises:
        FileExistsError: `output` exists.
        ValueError: the vectors, their table or the recipe cannot be used, or there are too few chips.
    """
    tables = check_outputs(output)
    source.note.encode()  # raises for text that the card cannot hold, before the work
    data = read_vector_data(source)
    recipe = recipe_from_json(recipe_to_json(recipe or default_recipe(data.input)))  # as the manifest's will be read
    refuse_recipe(recipe, data.input, source.chips)
    refuse_few_chips(data, recipe)
    _report(source, data)

    fold = folds.stratify(data.truth, folds=recipe.folds, seed=recipe.seed, groups=data.groups)
    heads = [
        fit_head(member, data.vectors, data.truth, fold, seed=recipe.seed)
        for member in recipe.members
        if isinstance(member, FrozenMember) and (not recipe.ship or member.name in recipe.ship)
    ]
    second = fit_second_level(recipe, data.truth, [fitted.scores for fitted in heads], fold)
    decision, tags = fit_recipe_decision(recipe, data, second.scores, fold)
    model = _Model(heads, second, decision, tags)

    preflight.refuse_existing(output)  # a run that has ended since may have written it
    for path in tables:
        score_tables.write_scores(path, data.ids, second.scores, data.space)
    manifest = _write_bundle(output, data, model, _describe(data, source.note, recipe, model, fold))
    if manifest.scores:
        progress.say(f"{output}: F2 {manifest.scores.f2:.4f} out of fold")
    return manifest


def fit_head(member: FrozenMember, vectors: Vectors, truth: Tags, fold: Fold, *, seed: int) -> FittedHead:
    """Fit a head on the complement of each fold to score the fold, and on all vectors (chips, width)."""
    fit = HEADS[member.head]
    scores = np.zeros((1, *truth.shape), np.float32)
    for number in range(int(fold.max()) + 1):
        held_out = fold == number
        scores[0, held_out] = fit(vectors[~held_out], truth[~held_out], seed).scores(vectors[held_out])
    progress.say(f"{member.name}: {member.head} head")
    return FittedHead(member.name, fit(vectors, truth, seed), scores)


def _report(source: TrainingSource, data: VectorData) -> None:
    if data.input.origin is None:
        progress.say(unnamed_remark(source.chips, data.input.width))
    progress.say(NO_PIXELS)
    if remark := score.remark_on_few(len(data.ids)):
        progress.say(remark)


def _describe(data: VectorData, note: str, recipe: Recipe, model: _Model, fold: Fold) -> Manifest:
    origin, second = data.input.origin, model.second
    is_file = origin is not None and origin.weights not in ("imagenet", "none")
    groups = 0 if data.groups is None else len(np.unique(data.groups))
    return Manifest(
        space=data.space,
        spec=origin.spec if origin else chip_spec(recipe),
        recipe=recipe_to_json(recipe),
        started_from={origin.backbone: origin.weights} if origin and is_file else {},
        data=DataSummary(chips=len(data.ids), fingerprint=data.fingerprint, groups=groups, note=note),
        view_mean=recipe.view_mean,
        decoder=model.decision.decoder,
        second=second.report,
        shipped=tuple(fitted.name for fitted in model.heads),
        scores=measure_bundle(data.truth, second.scores, second.averaged, fold, data.space, model.tags),
        vectors=data.input,
    )


def _write_bundle(output: Path, data: VectorData, model: _Model, manifest: Manifest) -> Manifest:
    with folders.atomic_folder(output) as part:
        for number, fitted in enumerate(model.heads):
            folder = part / "members" / f"{number:02}-{fitted.name}"
            folder.mkdir(parents=True)
            save_head(fitted.head, folder)
        bundle_writer.write_second(part, model.second.model)
        bundle_writer.write_decision(part, data.space, model.decision, frequent_tags(data.truth))
        for name in ("card.md", "README.md"):  # model hubs show README.md
            atomic.write_text(part / name, card_text(manifest))

        no_colours = np.zeros((len(data.ids), 0), np.float32)
        record = TrainingRecord(data.hashes, model.second.scores, data.truth, no_colours, model.tags)
        atomic.write_bytes(part / training_record.FILE, training_record.pack(record))
        return bundle_writer.seal(part, manifest, golden_vectors(data.vectors))


def golden_vectors(vectors: Vectors) -> Vectors:
    """Draw vectors with the mean and deviation of each column, so that no chip's own vector is published."""
    random = np.random.default_rng(0).standard_normal((GOLDEN_VECTORS, vectors.shape[1]))
    drawn: Vectors = (vectors.mean(axis=0) + vectors.std(axis=0) * random).astype(np.float32)
    return drawn

"""Members of an ensemble, fitted in units: one for each fold, on the other folds' chips, and one on all chips.

A finished unit stays in the work folder and is not fitted again; an unfinished network resumes from its last epoch.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, folders
from amazon_tags.training.examples import Examples
from amazon_tags.training.feature_bank import bank_file, banked_vectors
from amazon_tags.training.fingerprints import refuse_changed_chips
from amazon_tags.training.foreign_members import write_foreign_network
from amazon_tags.training.member_files import (
    ViewOutputs,
    cached_array,
    copy_files,
    member_scores,
    network_outputs,
    refusing_damaged_work,
    write_network,
)
from amazon_tags.training.network_files import member_network, milliseconds_a_chip
from amazon_tags.training.teacher_bundles import LESSON_VIEWS
from ensemble.arrays import Scores, Vectors
from ensemble.heads.head_files import load_head, save_head
from ensemble.heads.table import HEADS
from ensemble.networks.batches import BatchSource
from ensemble.networks.settings import FrozenMember, TunedMember
from ensemble.networks.train import TrainingState, constant_answer_loss, epoch_count, fit_network
from ensemble.second_level.pareto import MemberCost
from features.networks import backbones, devices
from features.networks.backbone_shapes import BackboneOptions
from features.networks.foreign_settings import is_foreign

ALL_CHIPS = -1  # the number of the unit that is fitted on all chips
NETWORK, VECTORS, LESSON = "network", "vectors.npy", "lesson.npy"  # of a frozen member, for all its units
BUNDLE_LESSONS = "bundle_lessons.npy"  # (teachers, chips, labels) of a member whose teachers are bundles


class Member(Protocol):
    """What the units of a member depend on."""

    @property
    def settings(self) -> FrozenMember | TunedMember:
        """The settings, with the weights to start from."""

    @property
    def folder(self) -> Path:
        """The folder of the units."""

    @property
    def teachers(self) -> Sequence["Member"]:
        """The members that it learns from."""


@dataclass(frozen=True)
class PlannedMember:
    """A member of which units may be missing in `folder`."""

    settings: FrozenMember | TunedMember
    folder: Path
    teachers: tuple["PlannedMember", ...] = ()


@dataclass(frozen=True)
class FittedMember:
    """A member whose units are in `folder`, its out-of-fold scores (views, chips, labels), and its teachers."""

    settings: FrozenMember | TunedMember
    folder: Path
    scores: ViewOutputs
    teachers: Sequence[Member] = ()


def fit_member(
    settings: FrozenMember | TunedMember, examples: Examples, work: Path, teachers: Sequence[Member] = ()
) -> FittedMember:
    """Fit a member on the complement of each fold and score the fold, in a folder inside the work folder."""
    folder = work / settings.name
    folder.mkdir(exist_ok=True)
    scores = np.zeros((examples.views, *examples.truth.shape), np.float32)
    for number in range(examples.folds):
        held_out = examples.fold == number
        scores[:, held_out] = score_unit(settings, examples, folder, number, teachers)
    return FittedMember(settings, folder, scores, teachers)


def score_unit(
    settings: FrozenMember | TunedMember,
    examples: Examples,
    folder: Path,
    number: int,
    teachers: Sequence[Member] = (),
) -> ViewOutputs:
    """Fit a unit on all chips but those of fold `number`, and return its scores (views, chips, labels) of the fold."""
    unit = fit_unit(settings, examples, folder, number, teachers)
    held_out = np.flatnonzero(examples.fold == number)
    return cached_array(scores_file(unit), partial(member_scores, unit, examples, held_out))


def train_on_all(member: FittedMember, examples: Examples) -> Path:
    """Fit the member on all chips; return the folder of what goes into a bundle."""
    return fit_unit(member.settings, examples, member.folder, ALL_CHIPS, member.teachers)


def unit_folder(member: Member, number: int) -> Path:
    """Return the folder of the unit that is fitted on all chips but those of fold `number`."""
    return member.folder / _unit_name(number)


def scores_file(unit: Path) -> Path:
    """Return the file of a unit's scores of its fold."""
    return unit.with_suffix(".scores.npy")


def member_cost(member: FittedMember) -> MemberCost:
    """Measure one core's time for a chip, and the size of the member's files."""
    unit = unit_folder(member, 0)
    return MemberCost(milliseconds_a_chip(member_network(unit)), sum(path.stat().st_size for path in unit.iterdir()))


def teacher_targets(member: Member, examples: Examples, number: int) -> tuple[Scores, Scores]:
    """Return a unit's scores of the labelled and of the unlabelled chips: targets for a student of the same fold.

    They are means over quarter turns, which score better than one view.
    """
    unit = fit_unit(member.settings, examples, member.folder, number, member.teachers)
    if isinstance(member.settings, FrozenMember):
        head = load_head(unit)
        views = np.stack([head.scores(view) for view in lesson_vectors(member, examples)])
    else:
        views = _lesson(unit, unit.with_suffix(".lesson.npy"), examples)
    scores = views.mean(axis=0)
    return scores[: len(examples.paths)], scores[len(examples.paths) :]


def lesson_vectors(member: Member, examples: Examples) -> ViewOutputs:
    """Return what the network of a frozen teacher, which all its units share, gives for all chips."""
    return _lesson(member.folder / NETWORK, member.folder / LESSON, examples)


def _lesson(network: Path, cache: Path, examples: Examples) -> ViewOutputs:
    paths = [*examples.paths, *examples.unlabelled]
    return cached_array(cache, lambda: network_outputs(network, examples, paths, LESSON_VIEWS))


def fit_unit(
    settings: FrozenMember | TunedMember,
    examples: Examples,
    folder: Path,
    number: int,
    teachers: Sequence[Member] = (),
) -> Path:
    """Fit a unit on all chips but those of fold `number`, unless an earlier run has; return its folder."""
    unit = folder / _unit_name(number)
    if unit.exists():
        return unit
    rows = [int(row) for row in examples.training_rows(number)]
    if isinstance(settings, FrozenMember):
        _fit_head(settings, examples, rows, unit)
    else:
        lessons = [teacher_targets(teacher, examples, number) for teacher in teachers]
        lessons += _bundle_lessons(folder, examples)
        _fit_network(settings, examples, _batch_source(settings, examples, rows, lessons), unit)
    return unit


def _bundle_lessons(folder: Path, examples: Examples) -> list[tuple[Scores, Scores]]:
    """Return what bundles say of the labelled and the unlabelled chips; it was written before any unit was fitted."""
    path = folder / BUNDLE_LESSONS
    if not path.exists():
        return []
    with refusing_damaged_work(path):
        lessons = np.load(path, allow_pickle=False)
    count = len(examples.paths)
    return [(scores[:count], scores[count:]) for scores in lessons]


def _fit_head(settings: FrozenMember, examples: Examples, rows: Sequence[int], unit: Path) -> None:
    vectors = frozen_vectors(settings, examples, unit.parent)
    head = HEADS[settings.head](vectors[rows], examples.truth[rows], examples.seed)
    with folders.atomic_folder(unit) as part:
        copy_files(unit.parent / NETWORK, part)
        save_head(head, part)
    progress.say(f"{settings.name} {unit.name}: {settings.head} head")


def _fit_network(settings: TunedMember, examples: Examples, source: BatchSource, unit: Path) -> None:
    keras.utils.clear_session()  # or layers would be named by what was built before
    model = _train(settings, source, examples, unit)
    with folders.atomic_folder(unit) as part:
        write_network(model, part)
    unit.with_suffix(".npz").unlink(missing_ok=True)


def _batch_source(
    settings: TunedMember, examples: Examples, rows: Sequence[int], lessons: Sequence[tuple[Scores, Scores]]
) -> BatchSource:
    """The chips of some rows with their targets; with lessons, mixed with the mean of the teachers' scores.

    An unknown tag is NaN, or the teachers' score.
    """
    targets = examples.truth[rows].astype(np.float32)
    if examples.unknown is not None:
        targets[examples.unknown[rows]] = np.nan
    paths = [examples.paths[row] for row in rows]
    source = BatchSource(paths, targets, examples.spec, workers=max(2, examples.jobs))
    if not lessons:
        return source
    labelled, unlabelled = (np.stack(part).mean(axis=0) for part in zip(*lessons, strict=True))
    mixed = (1 - settings.trust) * targets + settings.trust * labelled[rows]
    targets = np.where(np.isnan(mixed), labelled[rows], mixed).astype(np.float32)
    return replace(source, targets=targets, unlabelled=examples.unlabelled, unlabelled_targets=unlabelled)


def _train(settings: TunedMember, source: BatchSource, examples: Examples, unit: Path) -> keras.Model:
    """Train a network, from the state that an earlier run saved, if there is one.

    Batches that the device cannot hold are halved.
    """
    title = f"{settings.name} {unit.name}"
    saved = unit.with_suffix(".npz")
    state = None
    if saved.exists():
        settings, state = _saved_state(settings, saved)
        progress.say(f"{title}: resuming after epoch {int(state['epochs'])}")

    def after_epoch(epochs: int, loss: float, state: TrainingState) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, pace=np.array([settings.batch, settings.accumulate]), **state)  # type: ignore[arg-type]
        atomic.write_bytes(saved, buffer.getvalue())
        last = epoch_count(settings, source)
        progress.say(f"{title}: epoch {epochs} of {last}, loss {loss:.4f}")
        if epochs == last and loss >= (baseline := constant_answer_loss(settings, source, examples.groups)):
            progress.say(
                f"{title}: WARNING: the network learnt nothing: its loss is no lower than {baseline:.4f}, that of one "
                f"constant answer for all chips. Lower its rate ({settings.rate:g})"
            )

    try:
        return fit_network(settings, source, examples.groups, seed=examples.seed, state=state, after_epoch=after_epoch)
    except Exception as error:
        if not devices.is_out_of_memory(error) or settings.batch == 1:
            raise
    smaller = replace(settings, batch=settings.batch // 2, accumulate=2 * settings.accumulate)
    progress.say(
        f"{title}: the device's memory is full; starting again with batches of {smaller.batch}, "
        f"{smaller.accumulate} to a step"
    )
    saved.unlink(missing_ok=True)
    keras.utils.clear_session()
    return _train(smaller, source, examples, unit)


def _saved_state(settings: TunedMember, saved: Path) -> tuple[TunedMember, TrainingState]:
    """The state that an earlier run saved, and the settings with its batches, which a full device may have halved."""
    with refusing_damaged_work(saved), np.load(saved, allow_pickle=False) as archive:
        state = dict(archive)
        batch, accumulate = (int(number) for number in state.pop("pace"))
        int(state["epochs"])  # raises for damage
    return replace(settings, batch=batch, accumulate=accumulate), state


def frozen_vectors(settings: FrozenMember, examples: Examples, folder: Path) -> Vectors:
    """Return the vectors of all chips by the backbone that the member's folder holds; build it first if need be."""
    network = frozen_network(settings, examples, folder)
    vectors: Vectors = cached_array(folder / VECTORS, lambda: _embed(network, examples)[np.newaxis])[0]
    return vectors


def frozen_network(settings: FrozenMember, examples: Examples, folder: Path) -> Path:
    """Return the folder of the backbone that all units of a frozen member share; build it first if need be."""
    network = folder / NETWORK
    if not network.exists():
        with folders.atomic_folder(network) as part:
            _write_frozen_network(settings, examples, part)
    return network


def _write_frozen_network(settings: FrozenMember, examples: Examples, folder: Path) -> None:
    if is_foreign(settings.backbone):
        write_foreign_network(settings, examples.spec, folder)
        return
    keras.utils.clear_session()
    keras.utils.set_random_seed(examples.seed)
    options = BackboneOptions(settings.sees, settings.shrink, settings.pool)
    model = backbones.build(
        settings.backbone, examples.spec, layer=settings.layer, weights=settings.weights, options=options
    )
    write_network(model, folder)


def _embed(network: Path, examples: Examples) -> Vectors:
    def make(rows: Sequence[int]) -> Vectors:
        paths = [examples.paths[row] for row in rows]
        vectors: Vectors = network_outputs(network, examples, paths, 1)[0]
        if examples.bank is not None:  # later runs rely on its vectors being those of these contents
            hashes = [examples.hashes[row] for row in rows]
            refuse_changed_chips(dict(zip(paths, hashes, strict=True)), jobs=examples.jobs)
        return vectors

    if examples.bank is None:
        return make(range(len(examples.paths)))
    path = bank_file(examples.bank, member_network(network), examples.spec)
    return banked_vectors(path, examples.hashes, make)


def _unit_name(number: int) -> str:
    return "all" if number == ALL_CHIPS else f"fold_{number}"

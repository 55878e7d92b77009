"""One member fitted: its out-of-fold scores and its files, in units that are done once.

A unit is what saw one fold's complement, or all chips. A finished unit stays in the work folder; an unfinished
network goes on from the last epoch that it saved.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.files import atomic, folders, preflight
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.training.feature_bank import banked_vectors
from amazon_tags.training.fingerprints import refuse_changed_chips
from ensemble.arrays import Groups
from ensemble.heads.fitted import HEAD_FILES, LinearHead
from ensemble.heads.head_files import load_head, save_head
from ensemble.heads.table import HEADS
from ensemble.networks.batches import BatchSource
from ensemble.networks.settings import FrozenMember, TunedMember
from ensemble.networks.train import TrainingState, constant_answer_loss, epoch_count, fit_network
from ensemble.second_level.pareto import MemberCost
from features.images.chips import ChipSpec
from features.images.listing import ChipPath
from features.networks import backbones, devices, extract, openvino_export, openvino_runtime
from features.networks.backbones import BackboneOptions
from features.networks.openvino_runtime import OutputLayer

Values = NDArray[np.float32]  # (views, chips, labels or dim)
Targets = NDArray[np.float32]  # (chips, labels)
TIMED_BATCHES = 5  # batches
ALL_CHIPS = -1  # the number of the unit that sees every chip


@dataclass(frozen=True)
class Examples:
    """Labelled chips as training needs them: files, tags, spec, each chip's fold, and the views of held-out scores.

    `groups` are columns of which one holds, `others` chips that nobody has labelled, `doubts` (chips, labels) tags
    that nobody knows: to a network they are no target, to a classical head they do not hold. In the folder `bank`, if
    there is one, vectors of frozen members are kept for later runs, by the chips' `hashes`.
    """

    paths: Sequence[ChipPath]
    truth: NDArray[np.bool_]
    spec: ChipSpec
    fold: NDArray[np.int64]
    views: int
    seed: int
    jobs: int
    groups: Groups = ()
    unlabelled: Sequence[ChipPath] = ()
    unknown: NDArray[np.bool_] | None = None
    bank: Path | None = None
    hashes: Sequence[str] = ()

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1


@dataclass(frozen=True)
class FittedMember:
    """A member whose units stand in `folder`, its out-of-fold scores (views, chips, labels), and who taught it."""

    settings: FrozenMember | TunedMember
    folder: Path
    scores: Values
    teachers: Sequence["FittedMember"] = ()


def fit_member(
    settings: FrozenMember | TunedMember, examples: Examples, work: Path, teachers: Sequence[FittedMember] = ()
) -> FittedMember:
    """Fit a member on each fold's complement, and score each fold, inside the work folder."""
    folder = work / settings.name
    folder.mkdir(exist_ok=True)
    given = np.zeros((examples.views, *examples.truth.shape), np.float32)
    for number in range(examples.folds):
        held = np.flatnonzero(examples.fold == number)
        unit = _unit(settings, examples, folder, number, teachers)
        given[:, held] = _kept(unit.with_suffix(".scores.npy"), partial(member_scores, unit, examples, held))
    return FittedMember(settings, folder, given, teachers)


def train_on_all(entry: FittedMember, examples: Examples) -> Path:
    """The folder of the member fitted on all chips: what goes into a bundle."""
    return _unit(entry.settings, examples, entry.folder, ALL_CHIPS, entry.teachers)


def unit_folder(entry: FittedMember, number: int) -> Path:
    """The folder of what was fitted on all chips but those of fold `number`."""
    return entry.folder / _name(number)


def member_cost(entry: FittedMember) -> MemberCost:
    """What the member takes: one core's time for a chip, and its files' size."""
    unit = unit_folder(entry, 0)
    return MemberCost(milliseconds_a_chip(unit), sum(path.stat().st_size for path in unit.iterdir()))


def milliseconds_a_chip(folder: Path, hint: str = "f32") -> float:
    """One core's time for a chip by the network in a folder, the best of some batches."""
    network = openvino_runtime.load(*member_network(folder), hint=hint)
    batch = np.zeros((openvino_runtime.BATCH, *network.chip_shape), network.dtype)
    times = []
    for _ in range(TIMED_BATCHES):
        start = time.perf_counter()
        network(batch)
        times.append(time.perf_counter() - start)
    return 1000 * min(times) / openvino_runtime.BATCH


def member_network(folder: Path) -> tuple[bytes, bytes]:
    """The bytes of the network in a folder."""
    return (folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes()


def teacher_targets(entry: FittedMember, examples: Examples, number: int) -> tuple[Targets, Targets]:
    """What one fold's unit says of the labelled chips and of the others: targets for a student of the same fold."""
    unit = _unit(entry.settings, examples, entry.folder, number, entry.teachers)
    paths = [*examples.paths, *examples.unlabelled]
    if isinstance(entry.settings, FrozenMember):  # whose network is the same for all units
        network = entry.folder / "network"
        unlabelled = _kept(entry.folder / "others.npy", lambda: _outputs(network, examples, examples.unlabelled, 1))
        vectors = np.concatenate([_vectors(entry.settings, examples, entry.folder), unlabelled], axis=1)
        said = load_head(unit).scores(vectors[0])
    else:
        said = _kept(unit.with_suffix(".lesson.npy"), lambda: _outputs(unit, examples, paths, 1))[0]
    return said[: len(examples.paths)], said[len(examples.paths) :]


def _unit(
    settings: FrozenMember | TunedMember,
    examples: Examples,
    folder: Path,
    number: int,
    teachers: Sequence[FittedMember],
) -> Path:
    """The folder of what was fitted on all chips but those of fold `number`, in this run or a former one."""
    unit = folder / _name(number)
    if unit.exists():
        return unit
    rows = [int(row) for row in np.flatnonzero(examples.fold != number)]
    if isinstance(settings, FrozenMember):
        vectors = _vectors(settings, examples, folder)[0]
        head = HEADS[settings.head](vectors[rows], examples.truth[rows], examples.seed)
        with folders.atomic_folder(unit) as part:
            _copy(folder / "network", part)
            save_head(head, part)
        progress.say(f"{settings.name} {unit.name}: {settings.head} head")
        return unit
    targets = examples.truth[rows].astype(np.float32)
    if examples.unknown is not None:
        targets[examples.unknown[rows]] = np.nan
    paths = [examples.paths[row] for row in rows]
    source = BatchSource(paths, targets, examples.spec, workers=max(2, examples.jobs))
    if teachers:
        source = _taught(
            source, settings, examples, rows, [teacher_targets(entry, examples, number) for entry in teachers]
        )
    keras.utils.clear_session()  # or layers would be named by what was built before
    model = _train(settings, source, examples, unit)
    with folders.atomic_folder(unit) as part:
        _write_network(model, part)
    unit.with_suffix(".npz").unlink(missing_ok=True)
    return unit


def _taught(
    source: BatchSource,
    settings: TunedMember,
    examples: Examples,
    rows: Sequence[int],
    lessons: Sequence[tuple[Targets, Targets]],
) -> BatchSource:
    """The source with its teachers' mean mixed into the targets, and the chips that only they have looked at."""
    labelled, unlabelled = (np.stack(part).mean(axis=0) for part in zip(*lessons, strict=True))
    mixed = (1 - settings.trust) * source.targets + settings.trust * labelled[rows]
    targets = np.where(np.isnan(mixed), labelled[rows], mixed).astype(
        np.float32
    )  # where there is doubt, they know best
    return replace(source, targets=targets, unlabelled=examples.unlabelled, unlabelled_targets=unlabelled)


def _train(settings: TunedMember, source: BatchSource, examples: Examples, unit: Path) -> keras.Model:
    title = f"{settings.name} {unit.name}"
    kept = unit.with_suffix(".npz")
    state = None
    if kept.exists():
        with _sound(kept), np.load(kept, allow_pickle=False) as archive:
            state = dict(archive)
            batch, accumulate = (int(number) for number in state.pop("pace"))  # smaller where a device was full
            done = int(state["epochs"])
        settings = replace(settings, batch=batch, accumulate=accumulate)
        progress.say(f"{title}: going on after epoch {done}")

    def after_epoch(epochs: int, loss: float, state: TrainingState) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, pace=np.array([settings.batch, settings.accumulate]), **state)  # type: ignore[arg-type]
        atomic.write_bytes(kept, buffer.getvalue())
        last = epoch_count(settings, source)
        progress.say(f"{title}: epoch {epochs} of {last}, loss {loss:.4f}")
        if epochs == last and loss >= (ignorance := constant_answer_loss(settings, source, examples.groups)):
            progress.say(
                f"{title}: WARNING: it has learnt nothing; one answer for all chips has the loss {ignorance:.4f}. "
                f"Lower its rate ({settings.rate:g})"
            )

    try:
        return fit_network(settings, source, examples.groups, seed=examples.seed, state=state, after_epoch=after_epoch)
    except Exception as error:
        if not devices.is_out_of_memory(error) or settings.batch == 1:
            raise
    smaller = replace(settings, batch=settings.batch // 2, accumulate=2 * settings.accumulate)
    progress.say(
        f"{title}: the device's memory is full; starting anew with batches of {smaller.batch}, "
        f"{smaller.accumulate} to a step"
    )
    kept.unlink(missing_ok=True)
    keras.utils.clear_session()
    return _train(smaller, source, examples, unit)


def member_scores(
    unit: Path, examples: Examples, rows: NDArray[np.intp], *, network: Path | None = None, hint: str = "f32"
) -> Values:
    """What a unit's exported network and head, not those in memory, say of chips: that is what users will run.

    `network` is a folder with another network in place of the unit's; `hint` is that of `runtime.load`.
    """
    paths = [examples.paths[row] for row in rows]
    head = load_head(unit) if any((unit / name).exists() for name in HEAD_FILES) else None
    last, rest = (head.layer(), None) if isinstance(head, LinearHead) else (None, head)
    values = _outputs(network or unit, examples, paths, examples.views, hint=hint, last=last)
    return values if rest is None else np.stack([rest.scores(view) for view in values])


def _vectors(settings: FrozenMember, examples: Examples, folder: Path) -> Values:
    network = folder / "network"
    if not network.exists():
        keras.utils.clear_session()
        keras.utils.set_random_seed(examples.seed)
        frame = BackboneOptions(settings.sees, settings.shrink, settings.pool)
        model = backbones.build(
            settings.backbone, examples.spec, layer=settings.layer, weights=settings.weights, frame=frame
        )
        with folders.atomic_folder(network) as part:
            _write_network(model, part)
    return _kept(folder / "vectors.npy", lambda: _embedded(network, examples))


def _embedded(network: Path, examples: Examples) -> Values:
    def make(rows: Sequence[int]) -> Targets:
        paths = [examples.paths[row] for row in rows]
        vectors: Targets = _outputs(network, examples, paths, 1)[0]
        if examples.bank is not None:  # which later runs trust to hold vectors of these contents
            hashes = [examples.hashes[row] for row in rows]
            refuse_changed_chips(dict(zip(paths, hashes, strict=True)), jobs=examples.jobs)
        return vectors

    if examples.bank is None:
        return make(range(len(examples.paths)))[np.newaxis]
    mark = sha256_bytes(b"".join(member_network(network)))
    return banked_vectors(examples.bank / f"{mark[:16]}.npz", examples.hashes, make)[np.newaxis]


def _kept(path: Path, make: Callable[[], Values]) -> Values:
    """An array from its file, made first if there is none."""
    if not path.exists():
        buffer = io.BytesIO()
        np.save(buffer, make())
        atomic.write_bytes(path, buffer.getvalue())
    with _sound(path):
        known: Values = np.load(path, allow_pickle=False)
    return known


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """What a former run left unfinished may be damaged; says which file, and what to do."""
    try:
        yield
    except (BadZipFile, EOFError, KeyError, OSError, ValueError) as error:
        raise ValueError(f"{path}, of a former run, is damaged; delete {path.parent} and start again.") from error


def _name(number: int) -> str:
    return "all" if number == ALL_CHIPS else f"fold_{number}"


def _copy(source: Path, target: Path) -> None:
    for path in source.iterdir():
        atomic.write_bytes(target / path.name, path.read_bytes())


def _write_network(model: keras.Model, folder: Path) -> None:
    preflight.refuse_full(folder, 3 * 4 * model.count_params())  # HDF5 crashes on a full disk
    openvino_export.export(model, folder)
    model.save_weights(folder / "network.weights.h5")


def _outputs(
    folder: Path,
    examples: Examples,
    paths: Sequence[ChipPath],
    views: int,
    *,
    hint: str = "f32",
    last: OutputLayer | None = None,
) -> Values:
    network = openvino_runtime.load(*member_network(folder), jobs=examples.jobs, hint=hint, last=last)
    values = np.zeros((views, len(paths), network.dim), np.float32)
    with progress.bar(folder.parent.name, len(paths)) as advance:
        for outputs in extract.stream_outputs(paths, [network], examples.spec, turns=views, jobs=examples.jobs):
            values[:, outputs.rows] = outputs.values[0]
            advance(len(outputs.rows))
    return values

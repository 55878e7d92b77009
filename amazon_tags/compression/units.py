"""The units of a compression: one for each member, strategy, ratio, seed and fold; a finished one is not run again.

A unit is pruned, scored, fine-tuned with the masks held, and scored again, on a fold that its network has not seen.
"""

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from amazon_tags.compression.request import CompressedBundle, CompressRequest
from amazon_tags.files import atomic
from amazon_tags.training.examples import Examples
from amazon_tags.training.member_files import member_scores, refusing_damaged_work
from amazon_tags.training.members import ALL_CHIPS
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Floats, Rows, Scores, Targets
from ensemble.compression.channels import without_dead_channels
from ensemble.compression.prune import Pruning, PruningData, choose_weights, hold_masks
from ensemble.networks import losses
from ensemble.networks.batches import BatchSource, EpochBatches
from ensemble.networks.build import build_network, softmax_groups
from ensemble.networks.settings import TunedMember
from ensemble.networks.train import fine_tune_network
from features.networks import openvino_export

RATE_SHARE = 0.5  # of the member's learning rate: the weights that are left are trained already
GRADIENT_CHIPS = 32  # of the batch that global-gradient looks at


@dataclass(frozen=True)
class Point:
    """A strategy at a compression ratio."""

    strategy: str
    ratio: float

    @property
    def title(self) -> str:
        """Its name in messages and files."""
        return self.strategy if self.ratio == 1 else f"{self.strategy}:{self.ratio:g}"


@dataclass(frozen=True)
class Unit:
    """One pruning of a member.

    Attributes:
        settings: of the member.
        start: its weight file before pruning.
        point: how it is pruned.
        seed: of random choices and of the fine-tuning.
        fold: that it is not trained on; `ALL_CHIPS` for none.
        epochs: of the fine-tuning.
    """

    settings: TunedMember
    start: Path
    point: Point
    seed: int
    fold: int
    epochs: int

    @property
    def name(self) -> str:
        """Its name in messages."""
        part = "all" if self.fold == ALL_CHIPS else f"fold_{self.fold}"
        return f"{self.settings.name} {self.point.title} seed_{self.seed} {part}"

    @property
    def file(self) -> str:
        """Its file in the work folder, without suffix."""
        return f"{self.name.replace(' ', '-').replace(':', '-')}-epochs_{self.epochs}"

    def tuned(self) -> TunedMember:
        """Return the settings of the fine-tuning: the member's, from given weights, without what is for a start."""
        return replace(
            self.settings,
            weights="none",
            init="imagenet",  # with the norms folded, as after training
            schedule="cosine",
            epochs=self.epochs,
            rate=RATE_SHARE * self.settings.rate,
            progressive=0.0,
            teachers=(),
        )


@dataclass(frozen=True)
class UnitResult:
    """What a unit gave.

    Attributes:
        before: (chips, labels) scores of the fold after pruning, before fine-tuning; empty for a unit on all chips.
        after: the same after fine-tuning.
        weights: of the network at last.
        total: parameters before pruning.
        left: parameters that are kept.
    """

    before: Scores
    after: Scores
    weights: list[Floats]
    total: int
    left: int


def run_unit(unit: Unit, examples: Examples, work: Path) -> UnitResult:
    """Return what a unit gives, from the work folder if an earlier run has finished it.

    Raises:
        ValueError: the ratio cannot be reached.
    """
    path = work / f"{unit.file}.npz"
    if not path.exists():
        result = _run(unit, examples)
        weights = {f"weight_{place}": value for place, value in enumerate(result.weights)}
        counts = np.array([result.total, result.left])
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"before": result.before, "after": result.after, "counts": counts, **weights}
        np.savez_compressed(buffer, **arrays)
        atomic.write_bytes(path, buffer.getvalue())
        return result
    with refusing_damaged_work(path), np.load(path, allow_pickle=False) as archive:
        weights_in_order = [archive[f"weight_{place}"] for place in range(len(archive.files) - 3)]
        total, left = (int(count) for count in archive["counts"])
        return UnitResult(archive["before"], archive["after"], weights_in_order, total, left)


def _run(unit: Unit, examples: Examples) -> UnitResult:
    keras.utils.clear_session()  # or layers would be named by what was built before
    keras.utils.set_random_seed(unit.seed)
    settings = unit.tuned()
    model = untrained_network(settings, examples)
    model.load_weights(unit.start)

    source = _source(examples, examples.training_rows(unit.fold))
    pruning = prune_network(model, unit, examples, source)
    before = _scores(model, unit, examples)
    weights = model.get_weights()

    if settings.epochs:

        def prepare(network: keras.Model) -> None:
            network.set_weights(weights)
            hold_masks(network, pruning.masks)

        model = fine_tune_network(settings, source, examples.groups, seed=unit.seed, prepare=prepare)
    after = _scores(model, unit, examples) if settings.epochs else before
    return UnitResult(before, after, model.get_weights(), pruning.total, pruning.left)


def prune_network(model: keras.Model, unit: Unit, examples: Examples, source: BatchSource) -> Pruning:
    """Set the weights of a network to 0 that a unit prunes, and return what is kept."""
    groups = softmax_groups(unit.settings, examples.truth.shape[1], examples.groups)
    settings = unit.settings
    loss = losses.make(settings.loss, groups=groups, positive=settings.positive, smoothing=settings.smoothing)
    size = min(GRADIENT_CHIPS, len(source.paths))
    pixels, targets = EpochBatches(source, size, seed=unit.seed)[0]
    pruning = choose_weights(
        model, unit.point.strategy, unit.point.ratio, PruningData(unit.seed, loss, pixels, targets)
    )
    hold_masks(model, pruning.masks)
    return pruning


def untrained_network(settings: TunedMember, examples: Examples) -> keras.Model:
    """Return the network of a member, with its norms folded, before its weights are set."""
    labels = examples.truth.shape[1]
    return build_network(settings, examples.spec, np.full(labels, 0.5), examples.groups)


def write_dense_network(model: keras.Model, folder: Path) -> None:
    """Write a network in OpenVINO's format, without the channels that have no weights but 0."""
    openvino_export.export(without_dead_channels(model), folder)


def _source(examples: Examples, rows: Rows) -> BatchSource:
    """Return chips with their tags as targets; NaN where the tag is unknown."""
    targets: Targets = examples.truth[rows].astype(np.float32)
    if examples.unknown is not None:
        targets[examples.unknown[rows]] = np.nan
    paths = [examples.paths[row] for row in rows]
    return BatchSource(paths, targets, examples.spec, workers=max(2, examples.jobs))


def _scores(model: keras.Model, unit: Unit, examples: Examples) -> Scores:
    """Return the scores of the held-out chips by the network as a bundle would run it."""
    if unit.fold == ALL_CHIPS:
        return np.zeros((0, examples.truth.shape[1]), np.float32)
    rows = np.flatnonzero(examples.fold == unit.fold)
    with tempfile.TemporaryDirectory() as folder:
        write_dense_network(model, Path(folder))
        scores: Scores = member_scores(Path(folder), replace(examples, views=1), rows)[0]
    return scores


@dataclass(frozen=True)
class CompressionRun:
    """All that the points of a run share.

    Attributes:
        data: the labelled chips.
        model: the bundle.
        request: what to measure.
        examples: the chips in their folds.
        starts: the weight files of each member, one a fold.
        work: the folder of finished units.
    """

    data: TrainingData
    model: CompressedBundle
    request: CompressRequest
    examples: Examples
    starts: Mapping[str, Sequence[Path]]
    work: Path

    def units(self, point: Point, seed: int) -> dict[str, list[Unit]]:
        """Return the units of a point, by member and in the order of the folds."""
        settings = {member.name: member for member in self.model.members()}
        return {
            name: [
                Unit(settings[name], start, point, seed, fold, self.request.epochs) for fold, start in enumerate(files)
            ]
            for name, files in self.starts.items()
        }

    def result(self, unit: Unit) -> UnitResult:
        """Return what a unit gives; see `run_unit`."""
        return run_unit(unit, self.examples, self.work)


def out_of_fold(results: Sequence[UnitResult], examples: Examples, *, fine_tuned: bool) -> Scores:
    """Return the scores (chips, labels) of the units of all folds, in the order of these."""
    scores = np.zeros(examples.truth.shape, np.float32)
    for fold, result in enumerate(results):
        scores[examples.fold == fold] = result.after if fine_tuned else result.before
    return scores

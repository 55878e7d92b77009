"""Other bundles that `amazon_tags compress` measures beside the pruned points, on the same chips.

A bundle that was trained on none of the chips scores them as `predict` does. Of one that was trained on all of them,
the out-of-fold scores that it holds are taken. This imports no Keras.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.compression.request import INT8, CompressRequest
from amazon_tags.model import bundle, engine, training_record
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.predict import score_chips
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Scores
from ensemble.compression.strategies import UNPRUNED
from ensemble.heads.fitted import LinearHead
from features.images.layout import Layout
from features.networks.network_costs import NetworkFiles, with_last_layer

OPTION = "--beside"


@dataclass(frozen=True)
class Beside:
    """A bundle to measure.

    Attributes:
        name: of its row: that of its folder.
        folder: of the bundle.
        manifest: of the bundle.
        columns: of its scores, in the order of the chips' labels.
        networks: its members' networks, which return scores.
        record: of its training, if that was on all of the chips; None if it was on none.
    """

    name: str
    folder: Path
    manifest: Manifest
    columns: list[int]
    networks: list[NetworkFiles]
    record: TrainingRecord | None

    def scores(self, data: TrainingData, layout: Layout, *, jobs: int) -> Scores:
        """Return scores (chips, labels) of chips that the networks have not seen.

        Raises:
            BundleError: the bundle is damaged.
            ChipError: it cannot use a chip.
        """
        if self.record is not None:
            places = self.record.places()
            return self.record.scores[[places[digest] for digest in data.hashes]][:, self.columns]
        model = bundle.load(self.folder, jobs=jobs).reading(layout)
        parts = []
        with progress.bar(self.name, len(data.paths)) as advance:
            for part in score_chips(data.paths, model, jobs=jobs):
                parts.append(part.scores)
                advance(len(part.ids))
        return np.concatenate(parts)[:, self.columns]

    def remark(self, data: TrainingData) -> str:
        """Return where its scores are from, and why they may be too high."""
        if self.record is None:
            source = "trained on none of these chips; its scores are those of predict"
        else:
            source = "trained on all of these chips; its scores are those that it holds, of chips out of fold"
        doubts = []
        manifest = self.manifest
        if manifest.teachers or manifest.start or manifest.compression:
            doubts.append("it was made with another bundle, and may know what that one learnt of these chips")
        if self.record is not None and data.groups is not None and not (manifest.data and manifest.data.groups):
            doubts.append("its folds did not keep groups of chips together")
        return f"{self.name}: {source}" + "".join(f"; {doubt}: its scores may be too high" for doubt in doubts)


def read_beside(paths: Sequence[Path], data: TrainingData, request: CompressRequest) -> list[Beside]:
    """Check other bundles, and find where their scores of the chips come from.

    Args:
        paths: the folders of the bundles.
        data: labelled chips.
        request: the points, whose names those of the bundles' folders must differ from.

    Raises:
        BundleError: a bundle is damaged.
        ValueError: a bundle has no network for chips or a head that is no network, knows other labels or some of the
            chips, or its folder has the name of another row.
    """
    rows = {UNPRUNED, INT8, *(f"{name}:{ratio:g}" for name in request.strategies for ratio in request.ratios)}
    found: list[Beside] = []
    for path in paths:
        name = path.absolute().name
        if name in rows:
            raise ValueError(f"{OPTION} {path}: another row of the report is named {name}; rename the folder.")
        rows.add(name)
        found.append(_read(name, path, data))
        progress.say(found[-1].remark(data))
    return found


def _read(name: str, folder: Path, data: TrainingData) -> Beside:
    manifest = bundle.read_manifest(folder)
    labels, known = data.space.names, manifest.space.names
    if set(labels) != set(known):
        different = sorted(set(labels) ^ set(known))
        raise ValueError(
            f"{OPTION} {folder}: it differs from the chips in {len(different)} labels (first: {different[0]!r}); name "
            "a bundle that was trained with the same labels."
        )
    record = _find_record(folder, data)
    columns = [known.index(label) for label in labels]
    return Beside(name, folder, manifest, columns, _read_networks(folder, manifest), record)


def _find_record(folder: Path, data: TrainingData) -> TrainingRecord | None:
    """Return the record of a bundle that was trained on all of the chips; None for one that was trained on none."""
    record = training_record.read(folder)
    if record is None:
        raise ValueError(
            f"{OPTION} {folder}: it does not say which chips it was trained on ({training_record.FILE}), so that its "
            "scores may be of chips that it knows; train it again."
        )
    shared = len(set(record.hashes) & set(data.hashes))
    if 0 < shared < len(set(data.hashes)):
        raise ValueError(
            f"{OPTION} {folder}: it was trained on {shared} of these {len(data.hashes)} chips, but must have been on "
            "none, to score them, or on all, to have scores of them out of fold; name other chips or another bundle."
        )
    return record if shared else None


def _read_networks(folder: Path, manifest: Manifest) -> list[NetworkFiles]:
    """Return the networks of a bundle, with linear heads as their last layers."""
    if manifest.vectors:
        raise ValueError(f"{OPTION} {folder}: it has heads on vectors and no network; name one that takes chips.")
    read = partial(bundle.read_checked, folder, manifest)
    networks = []
    for name in manifest.members:
        head = engine.read_head(read, manifest.files, name)
        if not (head is None or isinstance(head, LinearHead)):
            raise ValueError(
                f"{OPTION} {folder}: the head of {name} is trees or neighbours, whose cost is not that of a network; "
                "name a bundle of fine-tuned networks or linear heads."
            )
        xml, weights = (read(f"members/{name}/{part}") for part in engine.NETWORK["f32"])
        networks.append((xml, weights) if head is None else with_last_layer((xml, weights), head.layer()))
    return networks

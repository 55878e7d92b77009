"""Batches of training chips, decoded, augmented and mixed by threads, for any Keras backend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Targets
from ensemble.networks import augment
from features.images import chips
from features.images.listing import ChipPath, ChipRow
from features.images.spec import ChipSpec


@dataclass(frozen=True)
class BatchSource:
    """Chips to train on, and their targets.

    `unlabelled` chips have targets from teachers; each epoch draws at most as many of them as there are labelled chips.
    """

    paths: Sequence[ChipRow]
    targets: Targets
    spec: ChipSpec
    unlabelled: Sequence[ChipPath] = ()
    unlabelled_targets: Targets | None = None
    workers: int = 2  # threads that make batches

    @property
    def shown(self) -> int:
        """Return the number of chips in an epoch."""
        return len(self.paths) + min(len(self.unlabelled), len(self.paths))


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """The batches of one epoch in random order; the same seed makes the same batches, for any number of workers.

    All batches have one size, or Keras would trace the network twice: the last is filled up with the first chips.
    """

    def __init__(self, source: BatchSource, batch: int, *, seed: int, mixup: float = 0.0) -> None:
        super().__init__(workers=source.workers, use_multiprocessing=False, max_queue_size=2 * source.workers)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(source.unlabelled), source.shown - len(source.paths), replace=False)
        order = rng.permutation(np.concatenate([np.arange(len(source.paths)), len(source.paths) + drawn]))
        self.parts = np.resize(order, (-(-len(order) // batch), batch))
        self.paths: list[ChipRow] = [*source.paths, *source.unlabelled]
        from_teachers = [] if source.unlabelled_targets is None else [source.unlabelled_targets]
        self.targets = np.concatenate([source.targets, *from_teachers])
        self.spec, self.seed, self.mixup = source.spec, seed, mixup

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.parts)

    def __getitem__(self, step: int) -> tuple[NDArray[Any], Targets]:
        """Return chips (batch, side, side, bands) of the spec's type and targets (batch, labels)."""
        rows = self.parts[step]
        originals = [chips.load(self.paths[row], self.spec) for row in rows]
        pixels: NDArray[Any] = np.stack(augment.augment(originals, seed_of(self.seed, step)))
        targets = self.targets[rows]
        if not self.mixup:
            return pixels, targets
        share = float(np.random.default_rng(seed_of(self.seed, step, 1)).beta(self.mixup, self.mixup))
        mixed = np.rint(share * pixels.astype(np.float32) + (1 - share) * pixels[::-1])  # Zhang et al. 2018, eq. 2
        return mixed.astype(self.spec.dtype), share * targets + (1 - share) * targets[::-1]


def seed_of(*numbers: int) -> int:
    """Return one seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])

"""Batches of a pretraining: chips in random order, read and turned into views by threads, for any Keras backend.

A batch follows from the seed and its number alone, so that a training can be resumed at any of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from features.arrays import Chip
from features.images import chips
from features.images.listing import SingleChip
from features.images.spec import ChipSpec
from features.pretraining.masked import draw_mask
from features.pretraining.settings import PATCH, Method, PretrainSettings
from features.pretraining.views import GEOMETRIC, PAIRED, random_view

ORDER, VIEWS = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class PretrainSource:
    """The chips of a pretraining.

    Attributes:
        paths: Files of chips, or windows of scenes; of any size.
        spec: The bands and the type that they are read as, and the side of views.
        groups: (chips,) integers; chips of one group are not compared by SimCLR. Without them, all are.
        workers: Threads that make batches.
    """

    paths: Sequence[SingleChip]
    spec: ChipSpec
    groups: NDArray[np.int64] | None = None
    workers: int = 2

    def load(self, row: int) -> Chip:
        """Return the pixels of a chip (height, width, bands) of the size that it is stored in."""
        return chips.load_unresized(self.paths[row], self.spec)


class PretrainBatches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """The batches of a training from one number to another."""

    def __init__(self, source: PretrainSource, settings: PretrainSettings, first: int, last: int) -> None:
        super().__init__(workers=source.workers, use_multiprocessing=False, max_queue_size=2 * source.workers)
        self.source, self.settings = source, settings
        self.first, self.last = first, last

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.last - self.first

    def __getitem__(self, place: int) -> tuple[Any, NDArray[np.float32]]:
        """Return the input of the method's model, and targets, which it does not have."""
        number = self.first + place
        rows = batch_rows(self.settings, len(self.source.paths), number)
        rng = np.random.default_rng((self.settings.seed, VIEWS, number))
        return _make_inputs(self.source, self.settings.method, rows, rng), np.zeros(len(rows), np.float32)


def batch_rows(settings: PretrainSettings, chips: int, number: int) -> NDArray[np.int64]:
    """Return the rows (batch,) of the chips of a batch; each epoch has an order of its own."""
    epoch, place = divmod(number, settings.batches_an_epoch(chips))
    order = np.random.default_rng((settings.seed, ORDER, epoch)).permutation(chips)
    rows: NDArray[np.int64] = order[place * settings.batch : (place + 1) * settings.batch]
    return rows


def _make_inputs(source: PretrainSource, method: Method, rows: NDArray[np.int64], rng: np.random.Generator) -> Any:
    """Return pairs of views with groups (SimCLR), pairs of views (BYOL), or views with masks (FCMAE)."""
    side = source.spec.side
    generators = rng.spawn(len(rows))
    if method == "fcmae":
        pixels = [
            random_view(source.load(row), side, one, GEOMETRIC) for row, one in zip(rows, generators, strict=True)
        ]
        return np.stack(pixels), np.stack([draw_mask(one, side // PATCH) for one in generators])

    pairs = []
    for row, one in zip(rows, generators, strict=True):
        chip = source.load(row)
        pairs.append([random_view(chip, side, one, PAIRED) for _ in range(2)])
    views = np.array(pairs)
    if method == "byol":
        return views
    groups = np.arange(len(rows)) if source.groups is None else source.groups[rows]
    return views, groups.astype(np.int32)

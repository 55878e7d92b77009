"""Chips in random minibatches, so that a measure needs no more memory for more chips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from ensemble.representation.cka import MIN_CHIPS
from features.images.listing import Listing
from features.images.spec import ChipSpec


@dataclass(frozen=True)
class BatchOptions:
    """Options of minibatches: the most chips in one, at least 2 x `MIN_CHIPS`; the seed of their order; threads."""

    batch: int = 256
    seed: int = 0
    jobs: int = 2


def read_minibatches(chips: Path, spec: ChipSpec, options: BatchOptions) -> list[Listing]:
    """Return chips in random order, in minibatches of about the same size.

    Raises:
        ChipError: a chip cannot be used.
        ValueError: there are fewer than four chips.
    """
    paths = _list_enough(chips)
    usable_rows(paths, spec, None, jobs=options.jobs)  # an unusable one is an error before any network is built
    order = np.random.default_rng(options.seed).permutation(len(paths))
    count = -(-len(paths) // options.batch)
    return [paths.take(rows) for rows in np.array_split(order, count)]


def draw_minibatch(chips: Path, spec: ChipSpec, options: BatchOptions) -> Listing:
    """Return one random minibatch of chips.

    Raises:
        ChipError: a chip of the minibatch cannot be used.
        ValueError: there are fewer than four chips.
    """
    paths = _list_enough(chips)
    minibatch = paths.take(np.random.default_rng(options.seed).permutation(len(paths))[: options.batch])
    usable_rows(minibatch, spec, None, jobs=options.jobs)
    return minibatch


def describe_minibatches(minibatches: Sequence[Listing]) -> str:
    """Return a note for findings."""
    size = max(map(len, minibatches))
    count = (
        f"{len(minibatches)} random minibatches of {size}" if len(minibatches) > 1 else f"one minibatch of all {size}"
    )
    return f"measured on {count} chips"


def _list_enough(chips: Path) -> Listing:
    paths = list_chips([chips])
    if len(paths) < MIN_CHIPS:
        raise ValueError(f"{chips} has {len(paths)} chips, and at least {MIN_CHIPS} are needed; name more.")
    return paths

"""Labelled chips as the training of members takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.arrays import Fold, Rows, Tags
from features.images.listing import ChipPath, ChipRow
from features.images.spec import ChipSpec


@dataclass(frozen=True)
class Examples:
    """Labelled chips with their folds, and options that all members share.

    Attributes:
        paths: the chips' files, or pairs of them.
        truth: (chips, labels) ground truth.
        spec: how chips are read.
        fold: (chips,) the fold that holds each chip out.
        views: how many dihedral views out-of-fold scores are given for.
        seed: of the members' random numbers.
        jobs: threads.
        groups: columns of labels of which exactly one holds.
        unlabelled: chips without labels, for members with teachers.
        unknown: (chips, labels) tags that are not known: networks skip them, classical heads take them as absent.
        bank: a folder that keeps vectors of frozen members for later runs, by the chips' `hashes`.
        hashes: the SHA-256 of each chip's file.
        subsets: for each fold the rows to train on, some of those outside of it; empty for all of them.
    """

    paths: Sequence[ChipRow]
    truth: Tags
    spec: ChipSpec
    fold: Fold
    views: int
    seed: int
    jobs: int
    groups: tuple[tuple[int, ...], ...] = ()
    unlabelled: Sequence[ChipPath] = ()
    unknown: Tags | None = None
    bank: Path | None = None
    hashes: Sequence[str] = ()
    subsets: Sequence[Rows] = ()

    def training_rows(self, number: int) -> Rows:
        """Return the rows to train on to score fold `number`; any other number is for all chips."""
        return self.subsets[number] if self.subsets else np.flatnonzero(self.fold != number)

    @property
    def folds(self) -> int:
        """The number of folds."""
        return int(self.fold.max()) + 1

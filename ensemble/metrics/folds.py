"""Folds with the labels' rates of the whole, and the scores that a model gives chips it did not see."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Fold, Scores, Tags

Rows = NDArray[np.intp]
Counts = NDArray[np.int64]


def stratify(
    truth: Tags, *, folds: int = 5, seed: int = 0, groups: NDArray[np.generic] | None = None
) -> NDArray[np.int64]:
    """The fold of each chip by iterative stratification (Sechidis et al. 2011, section 3, algorithm 1).

    The label with the fewest chips left is dealt out first, each chip to the fold that lacks the label most; ties
    go to the fold that lacks most chips, then by chance. A group is dealt as one chip with summed counts, large
    groups first. The order of the labels does not matter.

    Args:
        truth: (chips, labels).
        folds: how many, at least 2.
        seed: of the chips' order and of ties.
        groups: (chips,) names or numbers; chips with the same one stay together.
    """
    member = np.arange(len(truth))
    if groups is not None:
        if groups.shape != (len(truth),):
            raise ValueError(f"groups has shape {groups.shape} but there are {len(truth)} chips; pass one a chip.")
        member = np.unique(groups, return_inverse=True)[1]
    units = int(member.max(initial=-1)) + 1
    if not 2 <= folds <= units:
        raise ValueError(f"{units} chips or groups cannot make {folds} folds; pass folds from 2 to {units}.")
    counts = np.zeros((units, truth.shape[1]), np.int64)
    np.add.at(counts, member, truth)
    # A tie of two labels is broken by their chips, not by their place, so that their order does not matter.
    order = sorted(range(truth.shape[1]), key=lambda label: truth[:, label].tobytes())
    return _deal(counts[:, order], np.bincount(member), folds, np.random.default_rng(seed))[member]


def _deal(counts: Counts, sizes: Counts, folds: int, rng: np.random.Generator) -> Fold:
    """The fold of each unit, given its (units, labels) counts and its number of chips.

    What a fold lacks is kept times `folds`, hence in whole numbers, in which ties are exact.
    """
    lacking = np.tile(counts.sum(axis=0), (folds, 1))
    room = np.full(folds, sizes.sum())
    left = counts.sum(axis=0)
    home = np.full(len(counts), -1)
    order = rng.permutation(len(counts))

    def settle(units: Rows, lack: Counts) -> None:
        for unit in units:
            candidates = np.flatnonzero(lack == lack.max())
            if len(candidates) > 1:
                space = room[candidates]
                candidates = candidates[space == space.max()]
            fold = candidates[0] if len(candidates) == 1 else candidates[rng.integers(len(candidates))]
            home[unit] = fold
            lacking[fold] -= folds * counts[unit]
            room[fold] -= folds * sizes[unit]

    while left.any():
        label = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        waiting = order[(home[order] < 0) & (counts[order, label] > 0)]
        settle(waiting[np.argsort(-counts[waiting, label], kind="stable")], lacking[:, label])  # a view: it is kept up
        left -= counts[waiting].sum(axis=0)
    bare = order[home[order] < 0]  # chips without any label
    settle(bare[np.argsort(-sizes[bare], kind="stable")], room)
    return home


def out_of_fold(fit: Callable[[Rows, Rows], Scores], fold: Fold, labels: int) -> Scores:
    """Scores (chips, labels) that each chip gets from the fit that did not see it.

    Args:
        fit: called once a fold with the rows to train on and the rows held out; returns the scores of the latter.
        fold: (chips,), from `stratify`.
        labels: the number of columns.

    Raises:
        ValueError: `fit` returned another shape, or something outside [0, 1].
    """
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise ValueError(f"All {len(fold)} chips are in {len(numbers)} fold; pass at least 2 folds.")
    scores = np.empty((len(fold), labels), np.float32)
    for number in numbers:
        train, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        given = fit(train, held)
        if given.shape != (len(held), labels):
            raise ValueError(f"Fold {number}: fit gave scores {given.shape}; ({len(held)}, {labels}) are needed.")
        bad = np.argwhere(~((given >= 0) & (given <= 1)))
        if len(bad):
            row, label = bad[0]
            raise ValueError(
                f"Fold {number}: {len(bad)} scores are outside [0, 1] "
                f"(first: {given[row, label]} for chip {held[row]}, label {label}); fit must give probabilities."
            )
        scores[held] = given
    return scores

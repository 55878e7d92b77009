"""Stratified folds, and the cross-validation loop that every fit and every choice uses."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Counts, Fold, Rows, Scores, Tags

Value = TypeVar("Value", bound=np.generic)

MAX_TESTED_CHIPS = 1000  # of more single chips, every rest has enough for further folds


def stratify(truth: Tags, *, folds: int = 5, seed: int = 0, groups: NDArray[np.generic] | None = None) -> Fold:
    """Return the fold of each chip by iterative stratification (Sechidis et al. 2011, section 3, algorithm 1).

    The label with the fewest remaining chips is assigned first; each of its chips goes to the fold that lacks this
    label most. Ties go to the fold that lacks most chips, then to a random one. A group counts as one chip with summed
    counts, and large groups are assigned first. The order of the labels does not matter.

    Args:
        truth: (chips, labels).
        folds: the number of folds, at least 2.
        seed: seed of the chips' order and of ties.
        groups: (chips,) names or numbers; chips of the same group stay in one fold.

    Raises:
        ValueError: there are fewer chips or groups than folds, or `groups` has another length.
    """
    unit_of_chip = np.arange(len(truth))
    if groups is not None:
        if groups.shape != (len(truth),):
            raise ValueError(f"groups has shape {groups.shape} but there are {len(truth)} chips; pass one per chip.")
        unit_of_chip = np.unique(groups, return_inverse=True)[1]
    units = int(unit_of_chip.max(initial=-1)) + 1
    if not 2 <= folds <= units:
        raise ValueError(f"{units} chips or groups cannot make {folds} folds; pass folds from 2 to {units}.")

    counts = np.zeros((units, truth.shape[1]), np.int64)
    np.add.at(counts, unit_of_chip, truth)
    # A tie of two labels is broken by their chips, not by their column, so that the order of labels does not matter.
    order = sorted(range(truth.shape[1]), key=lambda label: truth[:, label].tobytes())
    rng = np.random.default_rng(seed)
    return _assign_units(counts[:, order], np.bincount(unit_of_chip), folds, rng)[unit_of_chip]


def _assign_units(counts: Counts, sizes: Counts, folds: int, rng: np.random.Generator) -> Fold:
    """Return the fold of each unit (a chip or a group) from its (units, labels) tag counts and its number of chips.

    The chips that a fold lacks are counted times `folds`, hence in whole numbers, in which ties are exact.
    """
    lacking_tags = np.tile(counts.sum(axis=0), (folds, 1))
    lacking_chips = np.full(folds, sizes.sum())
    remaining = counts.sum(axis=0)
    fold_of_unit = np.full(len(counts), -1)
    order = rng.permutation(len(counts))

    def assign(units: Rows, lacking: Counts) -> None:
        for unit in units:
            candidates = np.flatnonzero(lacking == lacking.max())
            if len(candidates) > 1:
                space = lacking_chips[candidates]
                candidates = candidates[space == space.max()]
            fold = candidates[0] if len(candidates) == 1 else candidates[rng.integers(len(candidates))]
            fold_of_unit[unit] = fold
            lacking_tags[fold] -= folds * counts[unit]
            lacking_chips[fold] -= folds * sizes[unit]

    while remaining.any():
        label = int(np.argmin(np.where(remaining > 0, remaining, np.iinfo(np.int64).max)))
        units = order[(fold_of_unit[order] < 0) & (counts[order, label] > 0)]
        largest_first = units[np.argsort(-counts[units, label], kind="stable")]
        assign(largest_first, lacking_tags[:, label])  # a view, which `assign` keeps up to date
        remaining -= counts[units].sum(axis=0)

    untagged = order[fold_of_unit[order] < 0]
    assign(untagged[np.argsort(-sizes[untagged], kind="stable")], lacking_chips)
    return fold_of_unit


def hold_out(truth: Tags, *, folds: int, seed: int) -> tuple[Rows, Rows]:
    """Return the rows to train on and the rows of one held-out stratified fold, for a choice that needs no more.

    Of fewer chips than `folds`, one chip is held out.
    """
    fold = stratify(truth, folds=min(folds, len(truth)), seed=seed)
    return np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)


def out_of_fold(fit: Callable[[Rows, Rows], NDArray[Value]], fold: Fold) -> NDArray[Value]:
    """Return one row for each chip, computed by the fit that was not trained on it: the one cross-validation loop.

    Args:
        fit: called once for each fold, in ascending order, with the rows to train on and the rows held out; returns an
            array with one row for each held-out chip. All calls must return one dtype and one shape of a row.
        fold: (chips,), from `stratify`.

    Returns:
        (chips, ...), with the dtype and the shape of a row of the first result.

    Raises:
        ValueError: there are fewer than 2 folds, or `fit` returned another number or shape of rows.

    Example:
        >>> out_of_fold(lambda train, held_out: 10 * held_out, np.array([0, 1, 0]))
        array([ 0, 10, 20])
    """
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise ValueError(f"All {len(fold)} chips are in {len(numbers)} fold; pass at least 2 folds.")

    splits = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in numbers]
    parts: list[NDArray[Value]] = []
    for number, (train, held_out) in zip(numbers, splits, strict=True):
        part = fit(train, held_out)
        expected = (len(held_out), *(parts or [part])[0].shape[1:])
        if part.shape != expected:
            raise ValueError(f"Fold {number}: fit returned an array of shape {part.shape}; expected {expected}.")
        parts.append(part)

    output = np.empty((len(fold), *parts[0].shape[1:]), parts[0].dtype)
    for (_, held_out), part in zip(splits, parts, strict=True):
        output[held_out] = part
    return output


def out_of_fold_scores(fit: Callable[[Rows, Rows], Scores], fold: Fold, labels: int) -> Scores:
    """Return `out_of_fold` scores (chips, labels), each fold's checked for shape and range.

    Raises:
        ValueError: `fit` returned another shape, or a number outside [0, 1].
    """

    def checked_fit(train: Rows, held_out: Rows) -> Scores:
        scores = fit(train, held_out)
        _check_scores(scores, held_out, labels)
        return scores.astype(np.float32)

    return out_of_fold(checked_fit, fold)


def _check_scores(scores: Scores, held_out: Rows, labels: int) -> None:
    if scores.shape != (len(held_out), labels):
        raise ValueError(f"fit returned scores of shape {scores.shape}; expected ({len(held_out)}, {labels}).")
    outside = np.argwhere(~((scores >= 0) & (scores <= 1)))
    if len(outside):
        row, label = outside[0]
        raise ValueError(
            f"{len(outside)} scores are outside [0, 1] "
            f"(first: {scores[row, label]} for chip {held_out[row]}, label {label}); fit must return probabilities."
        )


def can_divide(
    truth: Tags, divisions: Sequence[int], *, seed: int = 0, groups: NDArray[np.generic] | None = None
) -> bool:
    """Return whether chips can be divided into folds, and the rest of each fold again, as a choice within folds does.

    The chips are divided to find out: groups of unequal sizes may leave few groups outside of a fold.

    Args:
        truth: (chips, labels).
        divisions: the number of folds of the chips, of each rest, of each rest of these, and so on.
        seed: of the folds.
        groups: (chips,) as in `stratify`.
    """
    units = len(truth) if groups is None else len(np.unique(groups))
    if units < divisions[0]:
        return False
    if len(divisions) == 1 or (groups is None and units > MAX_TESTED_CHIPS):
        return True
    fold = stratify(truth, folds=divisions[0], seed=seed, groups=groups)
    rests = [fold != number for number in np.unique(fold)]
    return all(
        can_divide(truth[rest], divisions[1:], seed=seed, groups=None if groups is None else groups[rest])
        for rest in rests
    )


def least_units(divisions: Sequence[int]) -> int:
    """Return the least number of chips or groups for which `can_divide` holds where folds are equally large.

    Example:
        >>> least_units([5]), least_units([5, 3, 3])
        (5, 7)
    """
    units = 0
    for number in reversed(divisions):
        needed, units = units, number
        while units - -(-units // number) < needed:  # outside of the largest fold
            units += 1
    return units

"""Nested subsets of labelled chips, with a least number of chips a label, for learning curves."""

from collections.abc import Sequence

import numpy as np

from ensemble.arrays import Rows, Tags


def nested_subsets(truth: Tags, shots: Sequence[int], *, seed: int) -> list[Rows]:
    """Return a subset for each number of shots: at least so many chips carry each label, or all that do.

    Each subset contains those of fewer shots. The label with the fewest chips is filled first, as in iterative
    stratification (Sechidis et al. 2011), so that the chips of rare labels serve the common ones too. The order of the
    labels does not matter.

    Args:
        truth: (chips, labels).
        shots: ascending, at least 1.
        seed: of the order in which chips are chosen.

    Raises:
        ValueError: the shots are not ascending or below 1.
    """
    if list(shots) != sorted(set(shots)) or min(shots, default=1) < 1:
        raise ValueError(f"shots are {list(shots)}; pass different whole numbers from 1, in ascending order.")
    carriers = truth.sum(axis=0)
    labels = sorted(range(truth.shape[1]), key=lambda label: (carriers[label], truth[:, label].tobytes()))
    order = np.random.default_rng(seed).permutation(len(truth))

    chosen = np.zeros(len(truth), np.bool_)
    subsets = []
    for count in shots:
        for label in labels:
            missing = count - int(truth[chosen, label].sum())
            candidates = order[truth[order, label] & ~chosen[order]]
            chosen[candidates[: max(missing, 0)]] = True
        subsets.append(np.flatnonzero(chosen))
    return subsets

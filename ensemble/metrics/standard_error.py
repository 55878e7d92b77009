"""The one-standard-error rule: of candidates on the same chips, the smallest that is about as good as the best.

Breiman et al. 1984, section 3.4.3, here with the standard error of the paired difference to the best instead of that of
the best alone: candidates are right and wrong on the same chips, which cancels in the difference.
"""

from collections.abc import Sequence

import numpy as np

from ensemble.arrays import Floats


def behind_best(values: Floats) -> tuple[Floats, Floats]:
    """Return how far the mean of each candidate is behind the best one, and the standard error over chips of that.

    Args:
        values: (candidates, chips), higher is better, such as each candidate's F2 of each chip; at least two chips.

    Returns:
        Two arrays (candidates,); both are 0 for the best, which is the first of equal ones.
    """
    gaps = values[int(np.argmax(values.mean(axis=1)))] - values
    errors: Floats = gaps.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return gaps.mean(axis=1), errors


def smallest_alike(values: Floats, sizes: Sequence[float]) -> int:
    """Return the place of the smallest candidate that is at most one standard error behind the best.

    Args:
        values: (candidates, chips), higher is better.
        sizes: of the candidates; of equally small ones the best is returned.
    """
    behind, errors = behind_best(values)
    alike = [place for place in range(len(values)) if behind[place] <= errors[place]]
    return min(alike, key=lambda place: (sizes[place], behind[place]))

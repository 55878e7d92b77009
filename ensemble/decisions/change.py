"""Change between two dates: how probable it is that a label appeared at a place, and that it vanished."""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Scores
from ensemble.decisions.calibrate import EDGE


@dataclass(frozen=True)
class Changes:
    """The probabilities (places, labels) that a label appeared and that it vanished."""

    appeared: Floats
    vanished: Floats


def change_probabilities(before: Scores, after: Scores) -> Changes:
    """Return the probabilities of change, of calibrated scores (places, labels) at two dates.

    The dates count as independent, given their pictures: a label appeared with the probability that it was absent times
    the one that it is present. Scores are clipped to `EDGE` and 1 - `EDGE`. Equal scores give at most 0.25.

    Example:
        >>> changes = change_probabilities(np.float32([[0.25]]), np.float32([[0.75]]))
        >>> changes.appeared.item(), changes.vanished.item()
        (0.5625, 0.0625)
    """
    if before.shape != after.shape:
        raise ValueError(f"scores of two dates have shapes {before.shape} and {after.shape}, but must have the same.")
    first, second = (scores.astype(np.float64).clip(EDGE, 1 - EDGE) for scores in (before, after))
    return Changes((1 - first) * second, first * (1 - second))


def odds(probability: Floats) -> Floats:
    """Return p / (1 - p) of probabilities below 1.

    Example:
        >>> odds(np.array([0.5, 0.75]))
        array([1., 3.])
    """
    return probability / (1 - probability)

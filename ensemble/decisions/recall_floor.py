"""The score from which a label is tagged, so that its recall is promised: split conformal prediction, label by label.

Vovk 2012 and Sadinle, Lei and Wasserman 2019, coverage of each label: of the scores of n chips that carry the label,
take the k-th smallest, k = floor((n + 1) (1 - recall)). Of a further chip that carries it, the score then is as high
with a probability of at least `recall`, and of at most `recall` + 1 / (n + 1) if no scores are equal, whatever the
model is. The probability is over the n chips as well as the further one, which must be drawn alike; any map of the
scores that keeps their order leaves it as it is.
"""

import math

import numpy as np

from ensemble.arrays import Floats, Scores

ROUNDING = 1e-9  # of shares that binary numbers cannot hold, such as 0.9


def recall_floor(carriers: Scores | Floats, recall: float) -> float:
    """Return the score from which the label is tagged.

    With fewer chips than `chips_needed`, nothing can be promised, and it is the least score of all.

    Args:
        carriers: (n,) scores of chips that carry the label, on which the model was not trained; at least one.
        recall: from 0 to 1; 0 requires nothing, for which the floor is infinite.
    """
    if recall == 0:
        return math.inf
    return float(np.sort(carriers)[max(1, _rank(len(carriers), recall)) - 1])


def is_promised(count: int, recall: float) -> bool:
    """Return whether so many chips that carry the label are enough to promise the recall."""
    return _rank(count, recall) >= 1


def chips_needed(recall: float) -> int | None:
    """Return how many chips that carry the label the promise of a recall needs; None if there are never enough."""
    return None if recall == 1 else max(0, math.ceil(recall / (1 - recall) - ROUNDING))


def _rank(count: int, recall: float) -> int:
    return math.floor((count + 1) * (1 - recall) + ROUNDING)

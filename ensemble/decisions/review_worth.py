"""What a look at a chip is worth: measures of its present tags against its scores, and their joint order.

`tags` (chips, labels) are those that a chip has at present: a person's labels, or predicted tags. `scores` are
calibrated as far as possible, and of a model that was not trained on these chips.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from ensemble.arrays import Floats, Rows, Scores, Tags
from ensemble.decisions import expected
from ensemble.decisions.expected import Rules

EDGE = 1e-6  # scores are clipped to it and to 1 - it, so that logarithms are finite


def self_confidence(scores: Scores, tags: Tags) -> Floats:
    """Return the probability (chips, labels) that the scores give to each label as it stands on the chip.

    A low one is a suspected error (Northcutt et al. 2021, section 3.3, one label against the rest).

    Example:
        >>> self_confidence(np.float32([[0.9, 0.25]]), np.array([[False, True]])).round(2)
        array([[0.1 , 0.25]])
    """
    probabilities = scores.astype(np.float64)
    return np.where(tags, probabilities, 1 - probabilities)


def suspicion(scores: Scores, tags: Tags) -> Floats:
    """Return 1 less the lowest self-confidence of a chip's labels (chips,)."""
    doubts: Floats = 1 - self_confidence(scores, tags).min(axis=1)
    return doubts


def lost_f(scores: Scores, tags: Tags, *, beta: float = 2.0, rules: Rules | None = None) -> Floats:
    """Return how far the expected F-beta of the tags is below that of the best tags (chips,)."""
    best = expected.decode(scores, beta=beta, rules=rules)[1]
    lost: Floats = best - expected.expected_f_beta(scores, tags, beta=beta, rules=rules)
    return lost


def missing_f(scores: Scores, tags: Tags, *, beta: float = 2.0, rules: Rules | None = None) -> Floats:
    """Return 1 less the expected F-beta of the tags (chips,)."""
    missing: Floats = 1 - expected.expected_f_beta(scores, tags, beta=beta, rules=rules)
    return missing


def disagreement(members: Sequence[Scores]) -> Floats:
    """Return how far members disagree (chips,), in bits: the sum over labels of their scores' mutual information.

    It is the entropy of the members' mean less their mean entropy (Houlsby et al. 2011, equation 2): a score of 0.5 by
    all is doubt, but no disagreement.
    """
    stacked = np.stack(members).astype(np.float64)
    bits: Floats = (_entropy(stacked.mean(axis=0)) - _entropy(stacked).mean(axis=0)).sum(axis=1)
    return bits


def rarity(scores: Scores, rates: Floats) -> Floats:
    """Return the largest of a chip's scores (chips,), each in units of the bits that its tag's rate (labels,) carries.

    A chip that probably has a rare tag comes before one that surely has a common tag.
    """
    bits = -np.log2(np.clip(rates, EDGE, 1 - EDGE))
    largest: Floats = (scores * bits).max(axis=1)
    return largest


def order_jointly(signals: Sequence[Floats]) -> Rows:
    """Return the chips' rows in the order of the geometric mean of their ranks by each signal, the largest first.

    Ranks need no common scale. A chip that one signal puts first stays in front, whatever the others say. Chips of
    equal rank keep their order.

    Example:
        >>> order_jointly([np.array([0.1, 0.9, 0.5]), np.array([10.0, 30, 20])]).tolist()
        [1, 2, 0]
    """
    ranks = [np.log(rankdata(-signal)) for signal in signals]
    return np.argsort(np.sum(ranks, axis=0), kind="stable")


def _entropy(probabilities: Floats) -> Floats:
    """Return the entropy of each probability, in bits."""
    inside = np.clip(probabilities, EDGE, 1 - EDGE)
    bits: Floats = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return bits

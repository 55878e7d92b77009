"""The mean of the members that are least alike among those of like quality: what repeats another member adds little."""

from collections.abc import Sequence

import numpy as np

from ensemble.arrays import Floats, Scores, Tags
from ensemble.choice import gain_over
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.metrics import score
from ensemble.representation.cka import MIN_CHIPS, MinibatchCka
from ensemble.second_level.blend import Blend

BATCH = 256  # chips in a minibatch of CKA
LEAST = 2  # members, where so many are of like quality


def diverse(matrices: Sequence[Scores], truth: Tags, seed: int) -> Blend:
    """Return the mean of half of the members of like quality, rounded up: the best one, and those least like it.

    A member is of like quality if the best one's gain in F2 over it, at the flat threshold, may be 0 by its 95 %
    interval. After the best, the member is added whose scores have the least mean CKA with those of the members before.

    Args:
        matrices: a matrix of scores for each member.
        truth: (chips, labels).
        seed: of the order of chips in minibatches.
    """
    f2 = [score.per_chip(truth, apply_thresholds(matrix, FLAT_THRESHOLD)) for matrix in matrices]
    best = max(range(len(f2)), key=lambda place: f2[place].mean())
    like = [place for place, one in enumerate(f2) if gain_over(one, f2[best])[1][0] <= 0]
    count = min(len(like), max(LEAST, -(-len(like) // 2)))

    similarities = _similarities(matrices, seed)
    chosen = [best]
    while len(chosen) < count:
        rest = [place for place in like if place not in chosen]
        chosen.append(min(rest, key=lambda place: similarities[place, chosen].mean()))
    shares = np.isin(np.arange(len(matrices)), chosen) / count
    return Blend("mean", np.tile(shares[:, np.newaxis], truth.shape[1]), np.zeros((0, truth.shape[1], 0)))


def _similarities(matrices: Sequence[Scores], seed: int) -> Floats:
    """Return CKA (members, members); 1 where it cannot be measured: such a member adds nothing that is known."""
    chips = len(matrices[0])
    if chips < MIN_CHIPS:
        return np.ones((len(matrices), len(matrices)))
    similarity = MinibatchCka()
    order = np.random.default_rng(seed).permutation(chips)
    for rows in np.array_split(order, -(-chips // BATCH)):
        part = [matrix[rows] for matrix in matrices]
        similarity.update(part, part)
    return np.nan_to_num(similarity.similarities(), nan=1.0)

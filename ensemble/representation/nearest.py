"""Tags by a vote of the nearest chips: how well vectors tell tags without anything being fitted.

By Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", section 3.4; here each
label has its own vote.
"""

import numpy as np
import sklearn
from sklearn.neighbors import KNeighborsRegressor

from ensemble.arrays import Floats, Scores, Tags, Vectors

MAX_DISTANCES_MIB = 64  # of distances in memory at a time; their order takes as much again, and the default is 1 GiB
NEIGHBOURS, TEMPERATURE = 200, 0.1  # of Wu et al. and the studies after them


def vote_of_neighbours(vectors: Vectors, known: Vectors, truth: Tags, *, neighbours: int = NEIGHBOURS) -> Scores:
    """Return scores (chips, labels): the share of votes for each label among the known chips of highest cosine.

    A neighbour's vote weighs exp(cosine / 0.1).

    Args:
        vectors: (chips, dim) of the chips to score.
        known: (known chips, dim).
        truth: (known chips, labels).
        neighbours: that vote; all known chips, where there are fewer.
    """
    voters = KNeighborsRegressor(min(neighbours, len(known)), weights=_votes, metric="cosine", algorithm="brute")
    voters.fit(known, truth.astype(np.float32))
    with sklearn.config_context(working_memory=MAX_DISTANCES_MIB):
        return np.asarray(voters.predict(vectors), np.float32)


def _votes(distances: Floats) -> Floats:
    """Return the weights of neighbours at cosine distances, 1 at distance 0: a common factor changes no share."""
    votes: Floats = np.exp(-distances / TEMPERATURE)
    return votes

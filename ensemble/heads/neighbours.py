"""Nearest neighbours by cosine similarity, with the number of neighbours chosen on held-out chips."""

import numpy as np

from ensemble.arrays import Tags, Vectors
from ensemble.heads.fitted import NeighboursHead, check_examples, standardise, unit_length, varying_labels
from ensemble.heads.rotation import INNER_FOLDS, mean_and_spread
from ensemble.metrics import folds

NEIGHBOURHOOD_SIZES = (5, 10, 20, 40)  # numbers of neighbours to choose from


def fit_neighbours(vectors: Vectors, truth: Tags, seed: int) -> NeighboursHead:
    """Return a nearest-neighbour head; the log loss on a held-out fifth chooses the number of neighbours."""
    check_examples(vectors, truth)
    if len(vectors) == 1:
        return _store(vectors, truth, 1)

    train, held_out = folds.hold_out(truth, folds=INNER_FOLDS, seed=seed)
    labels = varying_labels(truth[train])
    losses = {}
    for k in dict.fromkeys(min(size, len(train)) for size in NEIGHBOURHOOD_SIZES):
        head = _store(vectors[train], truth[np.ix_(train, labels)], k)
        scores = head.scores(vectors[held_out]).astype(np.float64)
        losses[k] = -np.log(np.where(truth[np.ix_(held_out, labels)], scores, 1 - scores)).sum()
    return _store(vectors, truth, min(losses, key=lambda k: float(losses[k])))


def _store(vectors: Vectors, truth: Tags, k: int) -> NeighboursHead:
    mean, spread = mean_and_spread(vectors)
    return NeighboursHead(mean, spread, unit_length(standardise(vectors, mean, spread)), truth, k)

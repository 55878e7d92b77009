"""Nearest neighbours by cosine similarity, with the number of neighbours chosen on held-out chips."""

import numpy as np

from ensemble.arrays import Tags, Vectors
from ensemble.heads.fitted import NeighboursHead, check_examples, standardise, unit_length, varying_labels
from ensemble.heads.rotation import INNER_FOLDS, mean_and_spread
from ensemble.metrics import folds

NEIGHBOURHOOD_SIZES = (5, 10, 20, 40)  # of a neighbourhood


def fit_neighbours(vectors: Vectors, truth: Tags, seed: int) -> NeighboursHead:
    """Nearest neighbours by cosine; how many, by the log loss on a held-out fifth."""
    check_examples(vectors, truth)
    if len(vectors) == 1:
        return _head_of(vectors, truth, 1)
    fold = folds.stratify(truth, folds=min(INNER_FOLDS, len(truth)), seed=seed)
    train, held = fold != 0, fold == 0
    labels = varying_labels(truth[train])
    known = truth[np.ix_(train, labels)]
    losses = {}
    for k in dict.fromkeys(min(size, int(train.sum())) for size in NEIGHBOURHOOD_SIZES):
        scores = _head_of(vectors[train], known, k).scores(vectors[held]).astype(np.float64)
        losses[k] = -np.log(np.where(truth[np.ix_(held, labels)], scores, 1 - scores)).sum()
    return _head_of(vectors, truth, min(losses, key=lambda k: float(losses[k])))


def _head_of(vectors: Vectors, truth: Tags, k: int) -> NeighboursHead:
    mean, spread = mean_and_spread(vectors)
    known = unit_length(standardise(vectors, mean, spread))
    return NeighboursHead(mean, spread, known, truth, k)

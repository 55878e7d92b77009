"""Classical classifiers on vectors, by name; every one survives labels that one chip, none or all carry.

`ensemble.fitted` has what they become; it reads and runs them without the libraries that fit them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensemble import fitted, folds, linear, trees
from ensemble.fitted import FILES, Head, load, parse, save

__all__ = ["FILES", "HEADS", "Head", "load", "neighbours", "parse", "save"]

Vectors = NDArray[np.float32]  # (chips, dim)
Tags = NDArray[np.bool_]  # (chips, labels)

SIZES = (5, 10, 20, 40)  # of a neighbourhood


def neighbours(vectors: Vectors, truth: Tags, seed: int) -> fitted.Neighbours:
    """Nearest neighbours by cosine; how many, by the log loss on a held-out fifth."""
    fitted.check_examples(vectors, truth)
    if len(vectors) == 1:
        return _neighbours(vectors, truth, 1)
    fold = folds.stratify(truth, folds=min(linear.INNER, len(truth)), seed=seed)
    train, held = fold != 0, fold == 0
    labels = fitted.varied(truth[train])
    known = truth[np.ix_(train, labels)]
    losses = {}
    for k in dict.fromkeys(min(size, int(train.sum())) for size in SIZES):
        scores = _neighbours(vectors[train], known, k).scores(vectors[held]).astype(np.float64)
        losses[k] = -np.log(np.where(truth[np.ix_(held, labels)], scores, 1 - scores)).sum()
    return _neighbours(vectors, truth, min(losses, key=lambda k: float(losses[k])))


def _neighbours(vectors: Vectors, truth: Tags, k: int) -> fitted.Neighbours:
    mean, spread = linear.spread_of(vectors)
    known = fitted.unit_length(fitted.standardise(vectors, mean, spread))
    return fitted.Neighbours(mean, spread, known, truth, k)


HEADS: dict[str, Callable[[Vectors, Tags, int], Head]] = {  # name -> fit(vectors, truth, seed)
    "logistic": linear.logistic,
    "ridge": linear.ridge,
    "svm": linear.svm,
    "neighbours": neighbours,
    "forest": trees.forest,
    "boosted": trees.boosted,
}

"""Stratified random samples of chips, with the same share of every stratum (Cochran 1977, chapter 5).

Strata are equal parts of the chips in the order of a value that is known of all of them, such as the expected F2: the
mean of anything that depends on the value is then measured more closely than by as many chips of the whole.
"""

import numpy as np

from ensemble.arrays import Floats, Rows

MAX_STRATA = 20
MIN_CHIPS = 10  # drawn of a stratum, or its variance is hardly known


def divide(values: Floats, sample: int) -> Rows:
    """Return the stratum (chips,) of each chip, for a sample of this size.

    Strata differ by one chip at most; equal values are divided in the order of the chips.
    """
    count = max(1, min(MAX_STRATA, sample // MIN_CHIPS))
    places = np.empty(len(values), np.int64)
    places[np.argsort(values, kind="stable")] = np.arange(len(values))
    strata: Rows = places * count // len(values)
    return strata


def draw(strata: Rows, sample: int, rng: np.random.Generator) -> Rows:
    """Return the rows of a stratified random sample, one after another of each stratum in turn, in random order.

    The first rows are therefore a smaller sample of the same kind. All rows are returned where there are no more.
    """
    shuffled = rng.permutation(len(strata))
    turns = np.empty(len(strata), np.int64)  # of a chip within its stratum
    for stratum in np.unique(strata):
        members = shuffled[strata[shuffled] == stratum]
        turns[members] = np.arange(len(members))
    order = np.lexsort((rng.permutation(len(strata)), turns))
    rows: Rows = order[:sample]
    return rows

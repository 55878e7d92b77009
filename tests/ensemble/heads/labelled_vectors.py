"""Vectors with labels that a head can learn, and labels that vary little or not at all."""

import numpy as np

# Columns of the truth: 0 to 3 can be learnt, then one chip carries the label, none, all, all but one.
ONE, NONE, ALL, ALL_BUT_ONE = 4, 5, 6, 7


def rendered(seed=0, chips=80, dim=12):
    """Return vectors (chips, dim) with a constant column and one in other units, and their truth (chips, 8)."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(chips, 4))
    truth = np.zeros((chips, 8), bool)
    truth[:, :4] = hidden > [0.0, 0.3, -0.5, 1.0]
    truth[chips // 2, ONE] = True
    truth[:, ALL] = True
    truth[:, ALL_BUT_ONE] = True
    truth[chips // 3, ALL_BUT_ONE] = False
    vectors = hidden @ rng.normal(size=(4, dim)) + 0.3 * rng.normal(size=(chips, dim))
    vectors[:, 0] = 0.1
    vectors[:, 1] *= 1000
    return vectors.astype(np.float32), truth

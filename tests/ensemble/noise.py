"""Scores made from the truth and noise."""

import numpy as np


def noisy(truth, noise, seed):
    """Scores that follow the truth, the less the more noise there is."""
    odds = 4 * (truth - 0.5) + noise * np.random.default_rng(seed).normal(size=truth.shape)
    return (1 / (1 + np.exp(-odds))).astype(np.float32)

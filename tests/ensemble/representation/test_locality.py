"""Effective receptive fields, and how well positions are kept."""

import numpy as np
import pytest

from ensemble.representation.locality import effective_side, kept_share, position_similarities


def test_the_effective_side_is_that_of_what_is_above_the_limit():
    gradients = np.zeros((9, 9))
    assert effective_side(gradients) == 0
    gradients[2:7, 2:7] = 0.05
    gradients[4, 4] = 1
    assert effective_side(gradients) == 5
    gradients[2:7, 2:7] = 0.04
    gradients[4, 4] = 1
    assert effective_side(gradients) == 1


def test_an_identity_keeps_positions_perfectly_and_a_global_mixture_does_not():
    patches = np.random.default_rng(0).standard_normal((9, 40, 12)).astype(np.float32)
    assert kept_share(position_similarities(list(patches), list(patches))) == 1
    mixed = np.broadcast_to(patches.sum(axis=0), patches.shape)
    assert kept_share(position_similarities(list(mixed), list(patches))) == pytest.approx(0.5)


def test_a_position_without_a_figure_is_left_out():
    similarities = np.array([[0.9, 0.1, np.nan], [0.2, 0.1, np.nan], [np.nan] * 3])
    assert kept_share(similarities) == 0.5
    assert np.isnan(kept_share(np.full((2, 2), np.nan)))

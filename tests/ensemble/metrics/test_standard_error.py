"""Test the one-standard-error rule."""

import numpy as np
import pytest

from ensemble.metrics.standard_error import behind_best, smallest_alike

VALUES = np.array([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])


def test_distances_to_the_best_are_those_of_hand():
    behind, errors = behind_best(VALUES)
    np.testing.assert_allclose(behind, [0.5, 0.25, 0, 1])
    np.testing.assert_allclose(errors, [np.sqrt(1 / 3) / 2, 0.25, 0, 0])


def test_the_error_is_that_of_the_paired_difference():
    """Two candidates that are wrong on the same chips differ surely, however much chips differ."""
    chips = np.random.default_rng(0).normal(size=1000)
    behind, errors = behind_best(np.stack([chips, chips - 0.01]))
    assert behind[1] == pytest.approx(0.01)
    assert errors[1] < 1e-12
    assert smallest_alike(np.stack([chips, chips - 0.01]), [2, 1]) == 0


def test_the_smallest_within_one_error_is_chosen():
    assert smallest_alike(VALUES, [1, 2, 3, 0]) == 1  # 0.25 behind with an error of 0.25; 0.5 behind is too far
    assert smallest_alike(VALUES, [1, 3, 2, 0]) == 2  # the best is smaller
    assert smallest_alike(VALUES, [1, 2, 2, 0]) == 2  # of equally small ones the best

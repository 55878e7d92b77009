"""Test task distances against their formula, and the drawn Fisher information against its closed form."""

import numpy as np
import pytest

from ensemble.representation import task_distance as tasks


def test_the_drawn_fisher_information_is_near_its_closed_form():
    rng = np.random.default_rng(0)
    vectors, scores = rng.normal(size=(50, 6)), rng.uniform(0.05, 0.95, (50, 2))
    closed = (vectors**2 * (scores * (1 - scores)).mean(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(tasks.fisher_diagonal(vectors, scores, draws=10_000, seed=0), closed, rtol=0.05)


def test_the_distance_has_its_known_value_and_no_scale():
    first, second = np.array([1.0, 2, 3, 4, 0]), np.array([4.0, 3, 2, 1, 0])
    assert tasks.task_distance(first, second) == pytest.approx(1 / 3)
    assert tasks.task_distance(first, first) == pytest.approx(0)
    assert tasks.task_distance(100 * first, 100 * second) == pytest.approx(1 / 3)


def test_the_diversity_is_the_mean_of_all_pairs():
    diagonals = np.array([[1.0, 2, 3, 4], [4.0, 3, 2, 1], [1.0, 2, 3, 4]])
    distances = tasks.task_distances(diagonals)
    np.testing.assert_allclose(distances, distances.T)
    assert tasks.diversity_coefficient(distances) == pytest.approx(2 / 9)

"""Distances of samples."""

import numpy as np
import pytest

from ensemble.metrics import shift


def test_equal_rates_are_stable_and_the_index_is_symmetric():
    rng = np.random.default_rng(0)
    first, second = rng.random((400, 5)) < 0.3, rng.random((300, 5)) < [0.3, 0.1, 0.0, 0.6, 1.0]
    assert np.allclose(shift.stability_index(first, first), 0)
    there, back = shift.stability_index(first, second), shift.stability_index(second, first)
    np.testing.assert_allclose(there, back)
    assert there[0] < 0.1
    assert (there[2:] > 0.25).all()
    assert np.isfinite(there).all()


def test_samples_of_one_distribution_are_not_distinguished_and_others_are():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(300, 6)), rng.normal(size=(200, 6))
    near, p = shift.discrepancy(first, second)
    far, sure = shift.discrepancy(first, second + 1)
    assert p > 0.05
    assert sure < 0.01
    assert far > 3 * near
    assert shift.discrepancy(first, second + 1) == (far, sure)


def test_the_test_is_level():
    rng = np.random.default_rng(2)
    found = [shift.discrepancy(*rng.normal(size=(2, 40, 3)), seed=seed)[1] for seed in range(60)]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.12)


def test_columns_that_do_not_vary_are_no_distance():
    assert shift.discrepancy(np.ones((50, 3)), np.ones((40, 3)))[0] == pytest.approx(0, abs=1e-6)


def test_a_vector_is_far_if_no_member_is_as_far_from_the_others():
    sample = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [3, 0]], float)
    known = shift.neighbourhood(sample)
    np.testing.assert_allclose(np.cov((sample - known.mean) @ known.scaling, rowvar=False), np.eye(2), atol=1e-12)
    scaled = (sample - known.mean) @ known.scaling
    between = np.linalg.norm(scaled[:, None] - scaled, axis=2) + np.diag([np.inf] * 5)
    assert known.limit == pytest.approx(between.min(axis=1).max() ** 2)
    assert known.far(sample).tolist() == [False] * 5
    assert known.far(np.array([[3.9, 0], [9, 9], [0.5, 0.5]])).tolist() == [False, True, False]


def test_a_direction_in_which_the_sample_does_not_vary_makes_no_chip_infinitely_far():
    known = shift.neighbourhood(np.array([[0, 5], [1, 5], [2, 5]], float))
    assert np.isfinite(known.scaling).all()
    assert known.far(np.array([[1.5, 5], [9, 5]])).tolist() == [False, True]


def test_of_a_large_sample_members_at_equal_steps_stand_for_all(monkeypatch):
    sample = np.random.default_rng(0).normal(size=(30, 2))
    whole = shift.neighbourhood(sample)
    monkeypatch.setattr(shift, "MAX_NEIGHBOURS", 12)
    known = shift.neighbourhood(sample)
    np.testing.assert_array_equal(known.scaled, whole.scaled[::3])
    assert not known.far(sample[::3]).any()

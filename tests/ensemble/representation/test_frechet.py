"""The Fréchet distance: exact values, and SciPy's root of a matrix."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from ensemble.representation import frechet
from ensemble.representation.frechet import Gaussian, fit_gaussian, frechet_distance

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(60, 6)).astype(np.float32) @ RNG.normal(size=(6, 6)).astype(np.float32)
OTHERS = RNG.normal(size=(40, 6)).astype(np.float32) + 2


def test_two_known_gaussians_are_27_apart():
    first, second = Gaussian(np.zeros(2), np.eye(2)), Gaussian(np.array([3.0, 4.0]), 4 * np.eye(2))
    assert frechet_distance(first, second) == frechet_distance(second, first) == 27


def test_a_set_with_those_moments_is_27_apart_from_another():
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32) * np.sqrt(3 / 4)  # covariance I, mean 0
    distance = frechet_distance(fit_gaussian(corners), fit_gaussian(2 * corners + [3, 4]))
    assert distance == pytest.approx(27, abs=1e-5)


def test_the_distance_is_that_of_the_formula_with_a_matrix_root():
    first, second = fit_gaussian(VECTORS), fit_gaussian(OTHERS)
    root = sqrtm(first.covariance @ second.covariance).real
    expected = ((first.mean - second.mean) ** 2).sum() + np.trace(first.covariance + second.covariance - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_a_set_is_0_apart_from_itself_also_with_fewer_chips_than_dimensions():
    few = fit_gaussian(VECTORS[:4])
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_a_gaussian_fitted_in_blocks_is_that_of_numpy(monkeypatch):
    monkeypatch.setattr(frechet, "TILE_CHIPS", 7)
    gaussian = fit_gaussian(VECTORS)
    np.testing.assert_allclose(gaussian.mean, VECTORS.mean(axis=0, dtype=float))
    np.testing.assert_allclose(gaussian.covariance, np.cov(VECTORS.astype(float), rowvar=False))


@pytest.mark.parametrize("chips", [0, 1])
def test_a_covariance_needs_two_chips(chips):
    with pytest.raises(ValueError, match=f"covariance of {chips} chips"):
        fit_gaussian(VECTORS[:chips])

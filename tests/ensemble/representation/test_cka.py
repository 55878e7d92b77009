"""Test CKA against published formulas' values, its invariances, and minibatches against the whole."""

import numpy as np
import pytest

from ensemble.representation import cka


@pytest.fixture(scope="module")
def pair():
    rng = np.random.RandomState(1337)
    first = rng.randn(100, 10)
    return first, rng.randn(100, 10) + first


def whole(measure):
    """A measure of two layers, with all chips in one minibatch."""

    def similarity(first, second):
        similarity = cka.MinibatchCka(measure)
        similarity.update([first], [second])
        return similarity.similarities()[0, 0]

    return similarity


debiased, linear, rbf, cca = map(whole, cka.MEASURES)


def test_the_measures_have_their_known_values(pair):
    assert linear(*pair) == pytest.approx(0.5576133, abs=5e-8)
    assert debiased(*pair) == pytest.approx(0.5134565, abs=5e-8)
    assert rbf(*pair) == pytest.approx(0.65483, abs=5e-6)
    assert cca(*pair) == pytest.approx(0.7310140, abs=5e-8)
    assert np.vdot(*map(cka.KERNELS["debiased"], pair)) == pytest.approx(9.8959558, abs=5e-8)


def test_hsic1_is_the_estimate_of_song_et_al(pair):
    k, l_ = (vectors @ vectors.T - np.diag((vectors**2).sum(axis=1)) for vectors in pair)
    n = len(k)
    formula = (k * l_).sum() + k.sum() * l_.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k @ l_).sum()
    assert np.vdot(*map(cka.KERNELS["debiased"], pair)) == pytest.approx(formula / (n * (n - 3)))


@pytest.mark.parametrize("measure", [debiased, linear, rbf, cca])
def test_rotations_shifts_and_scales_change_nothing(pair, measure):
    first, second = pair
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    assert measure(3 * first @ rotation + 2, second) == pytest.approx(measure(first, second))
    assert measure(first, first @ rotation) == pytest.approx(1)


def test_a_linear_map_changes_cka_but_not_the_canonical_correlation(pair):
    first, second = pair
    stretched = first * np.arange(1, 11)
    assert cca(stretched, second) == pytest.approx(cca(first, second))
    assert abs(linear(stretched, second) - linear(first, second)) > 0.01


def test_a_layer_as_wide_as_the_minibatch_has_no_canonical_correlation():
    rng = np.random.default_rng(0)
    similarity = cka.MinibatchCka("cca")
    for _ in range(2):
        narrow, wide = rng.normal(size=(20, 4)), rng.normal(size=(20, 19))
        similarity.update([narrow, wide], [narrow])
    found = similarity.similarities()[:, 0]
    assert found[0] == pytest.approx(1) and np.isnan(found[1])


def test_independent_vectors_have_a_debiased_similarity_of_0_on_average():
    rng = np.random.default_rng(0)
    draws = [[rng.normal(size=(64, 32)) for _ in range(2)] for _ in range(50)]
    assert abs(np.mean([debiased(*draw) for draw in draws])) < 0.01
    assert np.mean([linear(*draw) for draw in draws]) > 0.3  # why the debiased form exists


def test_all_pairs_of_layers_are_compared_over_minibatches(pair):
    first, second = pair
    similarity = cka.MinibatchCka()
    for rows in (slice(0, 40), slice(40, 80), slice(80, 100)):
        similarity.update([first[rows], second[rows]], [second[rows]])
    found = similarity.similarities()
    assert found.shape == (2, 1)
    assert found[1, 0] == pytest.approx(1)
    assert found[0, 0] == pytest.approx(debiased(*pair), abs=0.1)


def test_linear_cka_is_equation_5_of_kornblith_et_al(pair):
    x, y = (vectors - vectors.mean(axis=0) for vectors in pair)
    formula = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert linear(*pair) == pytest.approx(formula)


@pytest.mark.parametrize("measure", [debiased, linear, rbf])
def test_vectors_that_are_equal_but_for_rounding_have_no_similarity(measure):
    rng = np.random.default_rng(0)
    alike = np.float32(0.1) * (1 + 1e-7 * rng.normal(size=(8, 3)).astype(np.float32))
    assert np.isnan(measure(alike, rng.normal(size=(8, 3))))


def test_where_most_chips_are_equal_gaussian_kernels_have_no_width():
    mostly = np.zeros((8, 2))
    mostly[0] = 1
    assert np.isnan(rbf(mostly, mostly))
    assert linear(mostly, mostly) == pytest.approx(1)


def test_minibatches_that_cannot_be_compared_are_refused():
    few, many = np.zeros((3, 2)), np.zeros((8, 2))
    with pytest.raises(ValueError, match="give at least 4"):
        debiased(few, few)
    with pytest.raises(ValueError, match="the same chips"):
        debiased(many, np.zeros((9, 2)))
    with pytest.raises(ValueError, match="no minibatch"):
        cka.MinibatchCka().similarities()

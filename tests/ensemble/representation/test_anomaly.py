"""Distances to the k-th neighbour: by hand, against scikit-learn, and properties."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from ensemble.representation import anomaly
from ensemble.representation.anomaly import NONE, fit_known

RNG = np.random.default_rng(0)
KNOWN, NEW = (RNG.normal(size=(count, 6)).astype(np.float32) for count in (60, 25))
STRANGERS = np.full(len(NEW), NONE)


def test_distances_and_percentiles_of_a_small_matrix():
    # On the unit circle at 0, 90, 180 degrees and 60 from the first; lengths do not count.
    known = np.array([[1, 0], [0, 5], [-2, 0], [3 * 0.5, 3 * np.sqrt(0.75)]], np.float32)
    measure = fit_known(known, neighbours=2)
    # chords of 30, 60, 90, 120, 180 degrees; the second nearest other one of each known chip, ascending
    chord = {angle: 2 * np.sin(np.radians(angle) / 2) for angle in (30, 60, 90, 120, 180)}
    np.testing.assert_allclose(measure.own, [chord[60], chord[90], chord[90], chord[120]], atol=1e-6)

    found = measure.measure(np.array([[0, -7], [9, 0]], np.float32), np.array([NONE, 0]))
    # 270 degrees: the chips at 0 and 180 are 90 away; the second chip is the first known one, less itself
    np.testing.assert_allclose(found.distance, [chord[90], chord[90]], atol=1e-6)
    strange = measure.measure(np.array([[1, 0]], np.float32), np.array([NONE]))
    np.testing.assert_allclose(strange.distance, [chord[60]], atol=1e-6)
    assert strange.percentile[0] == 0
    far = measure.measure(np.array([[-1, -1]], np.float32), np.array([NONE]))  # 225 degrees: 45 and 135 away
    assert far.percentile[0] == 1


@pytest.mark.parametrize("neighbours", [1, 5, 59])
def test_distances_are_those_of_scikit_learn(neighbours):
    units, new = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (KNOWN, NEW))
    oracle = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(units.astype(float))
    measure = fit_known(KNOWN, neighbours=neighbours)
    found = measure.measure(NEW, STRANGERS)
    np.testing.assert_allclose(found.distance, oracle.kneighbors(new)[0][:, -1], rtol=1e-5)
    np.testing.assert_allclose(measure.own, np.sort(oracle.kneighbors()[0][:, -1]), rtol=1e-5)
    shares = [(measure.own < distance).mean() for distance in found.distance]
    np.testing.assert_array_equal(found.percentile, shares)


@pytest.mark.parametrize(("block", "tile", "exact"), [(1, 1, 1), (7, 11, 3), (1024, 13, 64)])
def test_blocks_change_no_bit(monkeypatch, block, tile, exact):
    whole = fit_known(KNOWN, neighbours=5)
    expected = whole.measure(NEW, STRANGERS).distance
    monkeypatch.setattr(anomaly, "BLOCK_CHIPS", block)
    monkeypatch.setattr(anomaly, "TILE_CHIPS", tile)
    monkeypatch.setattr(anomaly, "EXACT_CHIPS", exact)
    parts = fit_known(KNOWN, neighbours=5)
    assert (parts.own == whole.own).all()
    assert (parts.measure(NEW, STRANGERS).distance == expected).all()


def test_known_chips_have_the_distances_that_they_were_left_out_at():
    measure = fit_known(KNOWN, neighbours=4)
    found = measure.measure(KNOWN, np.arange(len(KNOWN)))
    assert (np.sort(found.distance) == measure.own).all()
    assert (found.percentile == [(measure.own < distance).mean() for distance in found.distance]).all()
    assert found.percentile.max() < 1


def test_copies_are_exactly_0_apart():
    copies = np.repeat(NEW[:1] * 1e3, 5, axis=0)
    measure = fit_known(np.concatenate([KNOWN, copies]), neighbours=5)
    assert measure.measure(NEW[:1] * 1e3, STRANGERS[:1]).distance[0] == 0
    assert measure.measure(np.zeros((1, 6), np.float32), STRANGERS[:1]).distance[0] == pytest.approx(1)


def test_chips_alike_are_farther_than_99_percent_in_about_1_percent():
    rng = np.random.default_rng(1)
    known, alike = (rng.normal(size=(2000, 8)).astype(np.float32) for _ in range(2))
    share = (fit_known(known).measure(alike, np.full(2000, NONE)).percentile >= 0.99).mean()
    assert 0.003 < share < 0.02


def test_too_few_known_chips_are_refused():
    with pytest.raises(ValueError, match=r"60 known chips are too few .* at least 61"):
        fit_known(KNOWN, neighbours=60)

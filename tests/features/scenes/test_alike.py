"""Chips of similar content by their vectors."""

import numpy as np
import pytest

from features.scenes import alike

VECTORS = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)


@pytest.mark.parametrize("tile", [4096, 7])
def test_pairs_are_those_of_a_cosine_of_centred_vectors(monkeypatch, tile):
    monkeypatch.setattr(alike, "TILE_CHIPS", tile)
    vectors = np.concatenate([VECTORS, VECTORS[[3]], VECTORS[[9]] + 0.01]) + 5
    centred = vectors - vectors.mean(axis=0)
    cosines = (centred @ centred.T) / np.outer(*[np.linalg.norm(centred, axis=1)] * 2)
    expected = {(row, column) for row, column in np.argwhere(cosines >= 0.9) if row < column}
    assert {(3, 50), (9, 51)} <= expected
    assert {tuple(pair) for pair in alike.find_alike(vectors, 0.9)} == expected


def test_equal_vectors_of_all_chips_are_no_pairs():
    assert len(alike.find_alike(np.ones((5, 3), np.float32))) == 0


@pytest.mark.parametrize("tile", [4096, 7])
def test_chips_that_are_alike_between_two_sets_are_those_of_a_cosine(monkeypatch, tile):
    monkeypatch.setattr(alike, "TILE_CHIPS", tile)
    second = np.concatenate([VECTORS[20:] + 3, VECTORS[[3]] + 0.01, VECTORS[[3, 9]]]) + 5
    first = VECTORS[:20] + 5
    left, right = (vectors - first.mean(axis=0) for vectors in (first, second))
    cosines = left @ right.T / np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    found = alike.find_alike_between(first, second, 0.9)
    assert found.is_partner.tolist() == (cosines >= 0.9).any(axis=0).tolist()
    assert found.is_partner[-3:].all()
    expected = np.where(cosines.max(axis=1) >= 0.9, cosines.argmax(axis=1), -1)
    assert found.partner.tolist() == expected.tolist()
    assert (found.partner[3], found.partner[9]) == (len(second) - 2, len(second) - 1)


def test_a_set_that_is_far_away_has_no_chips_alike():
    assert not alike.find_alike_between(VECTORS, VECTORS + 100, 0.98).is_partner.any()

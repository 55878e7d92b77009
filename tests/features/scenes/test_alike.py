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

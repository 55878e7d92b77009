"""Coverage, breadth and coverage at one size, by brute force and exact values."""

from itertools import combinations

import numpy as np
import pytest

from ensemble.representation import coverage
from ensemble.representation.coverage import measure_nearness, nearest_others, part_weights

RNG = np.random.default_rng(0)
TARGET, SOURCE = (RNG.normal(size=(count, 5)).astype(np.float32) for count in (30, 40))


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return ((first[:, np.newaxis].astype(float) - second[np.newaxis].astype(float)) ** 2).sum(axis=2)


@pytest.mark.parametrize(("values", "tile"), [(1 << 23, 4096), (200, 7), (1, 1)])
def test_distances_in_blocks_equal_brute_force(monkeypatch, values, tile):
    whole = measure_nearness(TARGET, SOURCE, size=4)
    monkeypatch.setattr(coverage, "MAX_DISTANCES", values)
    monkeypatch.setattr(coverage, "TILE_CHIPS", tile)
    nearness = measure_nearness(TARGET, SOURCE, size=4)
    distances = squared_distances(TARGET, SOURCE)
    np.testing.assert_allclose(nearness.nearest, distances.min(axis=1), rtol=1e-12)
    np.testing.assert_allclose(nearness.reverse, distances.min(axis=0), rtol=1e-12)
    for name in ("nearest", "reverse", "at_size"):
        assert (getattr(nearness, name) == getattr(whole, name)).all()  # to the bit, for any blocks
    others = squared_distances(TARGET, TARGET) + np.where(np.eye(len(TARGET)), np.inf, 0)
    np.testing.assert_allclose(nearest_others(TARGET), others.min(axis=1), rtol=1e-12)


def test_coverage_is_exactly_0_if_the_target_lies_in_the_source():
    far = (RNG.normal(size=(50, 64)) * 1e3 + 1e4).astype(np.float32)  # where expanded squares would leave a rest
    source = np.concatenate([SOURCE[:, :1] * np.ones(64, np.float32), far])
    nearness = measure_nearness(far, source, size=len(source))
    assert (nearness.nearest == 0).all()
    assert (nearness.at_size == 0).all()
    assert (nearness.reverse > 0).sum() == len(SOURCE)


def test_coverage_never_grows_when_sources_are_added():
    before = np.full(len(TARGET), np.inf)
    for count in range(1, len(SOURCE) + 1):
        nearest = measure_nearness(TARGET, SOURCE[:count], size=1).nearest
        assert (nearest <= before).all()
        before = nearest


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_coverage_at_a_size_is_the_mean_over_all_parts_of_that_size(size):
    distances = squared_distances(TARGET, SOURCE[:6])
    parts = [distances[:, list(part)].min(axis=1) for part in combinations(range(6), size)]
    at_size = measure_nearness(TARGET, SOURCE[:6], size=size).at_size
    np.testing.assert_allclose(at_size, np.mean(parts, axis=0), rtol=1e-12)


@pytest.mark.parametrize(("chips", "size"), [(1, 1), (5, 1), (5, 5), (5000, 700)])
def test_weights_of_a_part_are_probabilities(chips, size):
    weights = part_weights(chips, size)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert weights[0] == size / chips


@pytest.mark.parametrize("size", [0, 41])
def test_a_part_that_cannot_be_drawn_is_refused(size):
    with pytest.raises(ValueError, match=f"a part of {size} of 40 chips"):
        measure_nearness(TARGET, SOURCE, size=size)


@pytest.mark.parametrize(("target", "source"), [(TARGET, SOURCE[:, :4]), (TARGET[:0], SOURCE)])
def test_vectors_that_cannot_be_compared_are_refused(target, source):
    with pytest.raises(ValueError, match="both must be"):
        measure_nearness(target, source, size=1)

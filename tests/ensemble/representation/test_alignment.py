"""Test alignment against known values, and its losses against gradient descent itself."""

import numpy as np
import pytest

from ensemble.representation import alignment as alignment_module
from ensemble.representation.alignment import measure_alignment

VECTORS = np.random.RandomState(0).randn(50, 5)
TRUTH = VECTORS[:, :2] > 0
RATE = 0.02


def test_the_curve_has_its_known_values():
    curve = measure_alignment(VECTORS, TRUTH[:, :1]).curve()[:, 0]
    expected = [0.0934643, 0.1713084, 0.6709987, 0.7056687, 0.7066703, 0.7850740]
    np.testing.assert_allclose(curve, expected, atol=5e-8)


def descend(steps):
    """The share of each label's squared length that gradient descent leaves."""
    wide = np.column_stack([VECTORS, np.ones(50)])
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    labels = np.where(TRUTH, 1.0, -1.0)
    weights = np.zeros((6, 2))
    for _ in range(steps):
        weights -= RATE * wide.T @ (wide @ weights - labels)
    return ((wide @ weights - labels) ** 2).sum(axis=0) / 50


@pytest.mark.parametrize("steps", [0, 1, 7, 100])
def test_the_loss_is_that_of_gradient_descent(steps):
    np.testing.assert_allclose(measure_alignment(VECTORS, TRUTH).loss(RATE, steps), descend(steps), rtol=1e-10)


def test_the_steps_to_a_share_are_the_first_that_reach_it():
    alignment = measure_alignment(VECTORS, TRUTH)
    steps = alignment.steps_to(0.9, RATE).astype(int)
    wanted = 1 - 0.9 * alignment.shares.sum(axis=0)
    for column, count in enumerate(steps):
        assert descend(count)[column] <= wanted[column] < descend(count - 1)[column]


def test_what_is_known_without_vectors_is_not_counted():
    alignment = measure_alignment(VECTORS, TRUTH)
    known = np.array([0.1, 0.3])
    wanted = 1 - known - 0.9 * (alignment.shares.sum(axis=0) - known)
    for column, count in enumerate(alignment.steps_to(0.9, RATE, known).astype(int)):
        assert descend(count)[column] <= wanted[column] < descend(count - 1)[column]


@pytest.mark.parametrize("block", [1, 7, 50])
def test_blocks_of_chips_give_the_same_alignment(monkeypatch, block):
    whole = measure_alignment(VECTORS, TRUTH)
    monkeypatch.setattr(alignment_module, "BLOCK", block)
    parts = measure_alignment(VECTORS, TRUTH)
    np.testing.assert_allclose(parts.singular, whole.singular, rtol=1e-12)
    np.testing.assert_allclose(parts.shares, whole.shares, rtol=1e-9, atol=1e-14)


def test_vectors_that_are_wider_than_there_are_chips_explain_everything():
    alignment = measure_alignment(np.random.RandomState(1).randn(8, 20), TRUTH[:8])
    assert alignment.shares.shape == (8, 2)
    np.testing.assert_allclose(alignment.curve()[-1], 1, rtol=1e-12)


def test_vectors_with_nan_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        measure_alignment(np.where(VECTORS > 2, np.nan, VECTORS), TRUTH)

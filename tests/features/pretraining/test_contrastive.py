"""SimCLR's loss has the values of the paper's formula."""

import numpy as np
import pytest
from keras import ops

from features.pretraining.contrastive import nt_xent

VECTORS = np.random.RandomState(0).randn(8, 16)


def loss(vectors, temperature=0.5, groups=None):
    vectors = np.asarray(vectors, np.float32)
    return float(ops.mean(nt_xent(vectors[:4], vectors[4:], temperature, groups)))


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 2.4302219), (0.1, 5.9559814)])
def test_the_loss_has_the_value_of_the_formula(temperature, value):
    assert loss(VECTORS, temperature) == pytest.approx(value, abs=2e-6)


def test_identical_vectors_give_the_logarithm_of_the_number_of_others():
    assert loss(np.ones((8, 16))) == pytest.approx(np.log(7), abs=1e-6)


def test_orthonormal_pairs_give_the_value_of_the_formula():
    assert loss(np.tile(np.eye(4, 16), (2, 1))) == pytest.approx(0.5944377, abs=1e-6)


def test_the_loss_depends_neither_on_the_order_of_pairs_nor_on_lengths():
    views = VECTORS.reshape(2, 4, 16)
    assert loss(views[:, [2, 0, 3, 1]].reshape(8, 16)) == pytest.approx(loss(VECTORS), abs=1e-6)
    assert loss(views[::-1].reshape(8, 16)) == pytest.approx(loss(VECTORS), abs=1e-6)
    assert loss(VECTORS * np.arange(1, 9)[:, None]) == pytest.approx(loss(VECTORS), abs=1e-6)


def test_chips_of_one_group_are_no_negatives():
    alone, all_apart = np.zeros(4, np.int32), np.arange(4, dtype=np.int32)
    assert loss(VECTORS, groups=alone) == pytest.approx(0, abs=1e-6)  # the positive is all that is left
    assert loss(VECTORS, groups=all_apart) == pytest.approx(loss(VECTORS), abs=1e-6)
    halves = np.array([0, 1, 0, 1], np.int32)
    pairs = VECTORS.reshape(2, 4, 16).swapaxes(0, 1)
    grouped = nt_xent(*VECTORS.astype(np.float32).reshape(2, 4, 16), 0.5, halves)
    expected = [loss_of_row(pairs, row, negatives) for row, negatives in enumerate([[1, 3], [0, 2], [1, 3], [0, 2]])]
    np.testing.assert_allclose(grouped, expected, rtol=1e-5)


def loss_of_row(pairs, row, negatives):
    vectors = pairs / np.linalg.norm(pairs, axis=-1, keepdims=True)
    losses = []
    for view in range(2):
        own = vectors[row, view]
        others = np.concatenate([vectors[row, [1 - view]], vectors[negatives].reshape(-1, 16)]) @ own / 0.5
        losses.append(np.log(np.exp(others).sum()) - others[0])
    return np.mean(losses)

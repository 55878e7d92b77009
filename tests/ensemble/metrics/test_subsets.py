from itertools import pairwise

import numpy as np
import pytest

from ensemble.metrics.subsets import nested_subsets
from tests.ensemble.heads.labelled_vectors import NONE, rendered

SHOTS = (1, 3, 10, 60)


@pytest.fixture
def truth():
    return rendered(chips=120)[1]


def test_each_subset_contains_those_of_fewer_shots(truth):
    subsets = nested_subsets(truth, SHOTS, seed=1)
    for smaller, larger in pairwise(subsets):
        assert set(smaller) < set(larger)
        assert (np.diff(larger) > 0).all()


def test_each_label_is_on_so_many_chips_or_on_all_that_there_are(truth):
    for shots, rows in zip(SHOTS, nested_subsets(truth, SHOTS, seed=1), strict=True):
        assert (truth[rows].sum(axis=0) >= np.minimum(truth.sum(axis=0), shots)).all()
        assert not truth[rows, NONE].any()


def test_no_more_chips_are_chosen_than_labels_need(truth):
    assert len(nested_subsets(truth, (1,), seed=0)[0]) <= truth.shape[1]
    assert len(nested_subsets(np.eye(6, dtype=bool), (1, 2), seed=0)[1]) == 6


def test_a_seed_draws_the_same_chips_and_another_others(truth):
    first, again, other = (nested_subsets(truth, (10,), seed=seed)[0] for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_the_order_of_the_labels_does_not_matter(truth):
    rows = nested_subsets(truth, SHOTS, seed=2)
    for one, other in zip(rows, nested_subsets(truth[:, ::-1], SHOTS, seed=2), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shots", [(5, 1), (1, 1), (0, 1)])
def test_shots_that_do_not_ascend_from_1_are_refused(truth, shots):
    with pytest.raises(ValueError, match="in ascending order"):
        nested_subsets(truth, shots, seed=0)

"""Stratified random samples."""

import numpy as np
import pytest

from ensemble.metrics import strata


def test_strata_are_equal_parts_in_the_order_of_the_value():
    values = np.random.default_rng(0).random(103)
    divided = strata.divide(values, 100)
    sizes = np.bincount(divided)
    assert len(sizes) == 10  # of ten drawn chips each
    assert sizes.max() - sizes.min() <= 1
    for stratum in range(9):
        assert values[divided == stratum].max() < values[divided == stratum + 1].min()


def test_there_are_no_more_strata_than_can_be_measured():
    assert len(np.bincount(strata.divide(np.arange(1000.0), 1000))) == strata.MAX_STRATA
    assert len(np.bincount(strata.divide(np.arange(30.0), 17))) == 1


@pytest.mark.parametrize("count", [20, 40, 50])
def test_each_beginning_of_a_sample_has_the_same_share_of_every_stratum(count):
    divided = strata.divide(np.random.default_rng(1).random(500), 200)
    rows = strata.draw(divided, 200, np.random.default_rng(2))
    assert len(set(rows.tolist())) == 200
    drawn = np.bincount(divided[rows[:count]], minlength=20)
    assert drawn.max() - drawn.min() <= 1


def test_every_chip_is_drawn_equally_often():
    divided = strata.divide(np.arange(40.0), 10)
    rng = np.random.default_rng(3)
    times = np.bincount(np.concatenate([strata.draw(divided, 10, rng) for _ in range(4000)]), minlength=40)
    assert np.abs(times / 4000 - 0.25).max() < 0.03  # four standard errors


def test_a_sample_as_large_as_the_folder_is_the_folder():
    divided = strata.divide(np.arange(12.0), 200)
    assert sorted(strata.draw(divided, 200, np.random.default_rng(0)).tolist()) == list(range(12))

"""Probabilities of change: exact values, and what must hold for any scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.decisions.calibrate import EDGE
from ensemble.decisions.change import change_probabilities, odds

SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=5)


def test_probabilities_and_odds_are_exact():
    before, after = np.float32([[0.25, 0.5, 0.75]]), np.float32([[0.75, 0.5, 0.125]])
    changes = change_probabilities(before, after)
    assert changes.appeared.tolist() == [[0.5625, 0.25, 0.03125]]
    assert changes.vanished.tolist() == [[0.0625, 0.25, 0.65625]]
    np.testing.assert_allclose(odds(changes.appeared), [[9 / 7, 1 / 3, 1 / 31]], rtol=1e-15)
    np.testing.assert_allclose(odds(changes.vanished), [[1 / 15, 1 / 3, 21 / 11]], rtol=1e-15)


def test_the_four_cases_of_two_dates_sum_to_one():
    before, after = np.random.default_rng(0).random((2, 50, 17)).astype(np.float32)
    changes = change_probabilities(before, after)
    stayed = before.astype(float) * after + (1 - before.astype(float)) * (1 - after.astype(float))
    np.testing.assert_allclose(changes.appeared + changes.vanished + stayed, 1, atol=1e-6)


def test_the_frequency_of_drawn_changes_is_the_probability():
    rng = np.random.default_rng(0)
    before, after = np.float32([[0.1, 0.6]]), np.float32([[0.8, 0.3]])
    was, is_now = rng.random((200_000, 2)) < before, rng.random((200_000, 2)) < after
    changes = change_probabilities(before, after)
    np.testing.assert_allclose((~was & is_now).mean(axis=0), changes.appeared[0], atol=0.004)
    np.testing.assert_allclose((was & ~is_now).mean(axis=0), changes.vanished[0], atol=0.004)


@given(SCORES)
def test_equal_scores_of_both_dates_never_reach_a_probability_above_a_quarter(values):
    scores = np.float32([values])
    changes = change_probabilities(scores, scores)
    assert max(changes.appeared.max(), changes.vanished.max()) <= 0.25


@given(SCORES, st.data())
def test_turning_the_dates_around_turns_appearing_into_vanishing(values, data):
    before = np.float32([values])
    after = np.float32([data.draw(st.lists(st.floats(0, 1, width=32), min_size=len(values), max_size=len(values)))])
    forth, back = change_probabilities(before, after), change_probabilities(after, before)
    np.testing.assert_allclose(forth.appeared, back.vanished, rtol=1e-15)


def test_odds_of_certain_scores_are_finite():
    changes = change_probabilities(np.float32([[0]]), np.float32([[1]]))
    assert odds(changes.appeared).item() == pytest.approx(1 / (2 * EDGE), rel=1e-5)


def test_scores_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(2, 2\), but must have the same"):
        change_probabilities(np.zeros((1, 2), np.float32), np.zeros((2, 2), np.float32))

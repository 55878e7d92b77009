"""What a look at a chip is worth: signals, and their joint order."""

import itertools

import numpy as np
import pytest

from ensemble.decisions import review_worth
from ensemble.decisions.expected import expected_f_beta


@pytest.fixture
def scored():
    """Labels that were drawn from their scores, so that the scores are probabilities."""
    rng = np.random.default_rng(0)
    scores = rng.beta(0.4, 0.8, size=(400, 6)).astype(np.float32)
    return scores, rng.random(scores.shape) < scores


def test_flipped_labels_stand_before_most_others(scored):
    scores, tags = scored
    wrong = tags.copy()
    rows = np.arange(0, 400, 20)
    wrong[rows, rows % 6] ^= True
    order = np.argsort(-review_worth.suspicion(scores, wrong), kind="stable")
    places = np.argsort(order)
    assert places[rows].mean() < 0.7 * np.delete(places, rows).mean()


def test_no_tags_lose_less_expected_f_than_the_best_ones():
    scores = np.random.default_rng(1).random((20, 4)).astype(np.float32)
    every = [np.tile(np.array(tags), (20, 1)) for tags in itertools.product([False, True], repeat=4)]
    lost = np.stack([review_worth.lost_f(scores, tags) for tags in every])
    np.testing.assert_allclose(lost.min(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(lost[3] + expected_f_beta(scores, every[3]), lost[5] + expected_f_beta(scores, every[5]))


def test_missing_f_is_what_the_expected_f_lacks_to_one(scored):
    scores, tags = scored
    np.testing.assert_allclose(review_worth.missing_f(scores, tags), 1 - expected_f_beta(scores, tags))


def test_members_of_one_opinion_do_not_disagree_however_doubtful_it_is():
    half = np.full((2, 3), 0.5, np.float32)
    np.testing.assert_allclose(review_worth.disagreement([half, half, half]), 0, atol=1e-12)


def test_members_of_opposite_opinions_disagree_by_one_bit_a_label():
    no, yes = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    np.testing.assert_allclose(review_worth.disagreement([no, yes]), 3, atol=1e-3)


def test_a_probable_rare_tag_comes_before_a_sure_common_one():
    scores = np.float32([[1.0, 0.0], [0.9, 0.5]])
    common, rare = review_worth.rarity(scores, np.array([0.9, 0.01]))
    assert rare > common


def test_the_joint_order_of_one_signal_is_its_own_and_needs_no_scale():
    rng = np.random.default_rng(2)
    signal, other = rng.random(50), rng.random(50)
    assert review_worth.order_jointly([signal]).tolist() == np.argsort(-signal).tolist()
    joint = review_worth.order_jointly([signal, other])
    assert joint.tolist() == review_worth.order_jointly([np.exp(9 * signal), 1000 * other - 3]).tolist()


def test_a_chip_that_is_first_by_one_signal_stays_in_front():
    signals = [np.array([5.0, 4, 3, 2, 1]), np.array([1.0, 2, 3, 4, 5])]
    order = review_worth.order_jointly(signals).tolist()
    assert set(order[:2]) == {0, 4}

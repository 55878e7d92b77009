"""Reliability and confusions of scores, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix

from amazon_tags.evaluation.group_confusion import confuse_group
from amazon_tags.evaluation.reliability import BINS, measure_reliability, reliability_chart
from ensemble.metrics import score


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    scores = rng.random((400, 3)).astype(np.float32)
    return rng.random(scores.shape) < scores, scores


def test_the_brier_score_is_that_of_scikit_learn(drawn):
    truth, scores = drawn
    expected = [brier_score_loss(truth[:, label], scores[:, label]) for label in range(3)]
    reliability = measure_reliability(truth, scores)
    np.testing.assert_allclose(reliability.label_brier, expected, rtol=1e-6)
    assert reliability.brier == pytest.approx(np.mean(expected))


def test_the_bins_give_the_calibration_error(drawn):
    reliability = measure_reliability(*drawn)
    assert sum(one.count for one in reliability.bins) == 1200
    gaps = [one.count * abs(one.score - one.share) for one in reliability.bins]
    assert reliability.calibration_error == pytest.approx(sum(gaps) / 1200, abs=1e-6)
    np.testing.assert_allclose(reliability.label_calibration_error, score.calibration_error(*drawn))


def test_intervals_of_probabilities_hold_the_diagonal_and_those_of_bad_scores_do_not(drawn):
    truth, scores = drawn
    good = measure_reliability(truth, scores).bins
    assert len(good) == BINS
    assert sum(one.interval[0] <= one.score <= one.interval[1] for one in good) >= BINS - 3
    bad = measure_reliability(truth, scores**3).bins
    assert sum(one.interval[0] <= one.score <= one.interval[1] for one in bad) <= BINS // 2


def test_the_chart_has_a_point_a_bin(drawn):
    reliability = measure_reliability(*drawn)
    assert reliability_chart(reliability).count("scores of about") == BINS


def test_confusions_are_those_of_scikit_learn_on_chips_with_one_label():
    rng = np.random.default_rng(6)
    scores = rng.random((200, 5)).astype(np.float32)
    truth = np.zeros((200, 5), np.bool_)
    true = rng.integers(3, size=200)
    truth[np.arange(200), np.array([0, 2, 4])[true]] = True
    truth[:10] = False
    truth[10:15, :3] = True
    confusion = confuse_group(truth, scores, (0, 2, 4))
    predicted = scores[15:, [0, 2, 4]].argmax(axis=1)
    np.testing.assert_array_equal(confusion.counts, confusion_matrix(true[15:], predicted, labels=range(3)))
    assert confusion.left_out == 15
    assert confusion.accuracy == pytest.approx((true[15:] == predicted).mean())


def test_a_group_that_no_chip_has_confuses_nothing():
    confusion = confuse_group(np.zeros((4, 2), np.bool_), np.zeros((4, 2), np.float32), (0, 1))
    assert (confusion.counts.sum(), confusion.left_out, confusion.accuracy) == (0, 4, 0.0)

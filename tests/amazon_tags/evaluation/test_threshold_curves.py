"""Curves of one label by its threshold, against scikit-learn and against every threshold applied on its own."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from amazon_tags.evaluation.threshold_curves import change_by_threshold, precision_by_recall
from ensemble.metrics import score

LABELS = 4
CURRENT = np.full(LABELS, 0.2, np.float32)


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    scores = rng.beta(0.4, 1, (150, LABELS)).astype(np.float32)
    truth = rng.random((150, LABELS)) < scores
    truth[:, 3] = False
    return truth, scores


@pytest.mark.parametrize("label", range(3))
def test_precision_by_recall_is_that_of_scikit_learn(drawn, label):
    truth, scores = drawn
    band = precision_by_recall(truth, scores, label)
    precision, recall, thresholds = precision_recall_curve(truth[:, label], scores[:, label])
    expected = dict(zip(thresholds, zip(recall, precision, strict=False), strict=False))
    steps = np.unique(scores[truth[:, label], label])[::-1]
    np.testing.assert_allclose(np.stack([band.x, band.y], axis=1), [expected[step] for step in steps])
    assert (band.low <= band.y).all()
    assert (band.y <= band.high).all()
    assert (band.high - band.low).max() > 0.05


def test_a_label_of_no_chip_has_no_precision_by_recall(drawn):
    assert precision_by_recall(*drawn, 3) is None


def test_a_label_of_one_chip_has_one_point(drawn):
    truth, scores = (values.copy() for values in drawn)
    truth[:, 0] = scores[:, 0] == scores[:, 0].max()
    band = precision_by_recall(truth, scores, 0)
    assert (band.x, band.y) == (1, 1)


@pytest.mark.parametrize("beta", [1.0, 2.0])
@pytest.mark.parametrize("label", range(LABELS))
def test_a_change_is_the_difference_of_two_mean_f_beta(drawn, label, beta):
    truth, scores = drawn
    thresholds = np.array([0.0, 0.2, float(scores[7, label]), 1.0])
    band = change_by_threshold(truth, scores, current=CURRENT, label=label, beta=beta, thresholds=thresholds)
    before = score.f_beta(truth, scores >= CURRENT, beta=beta)
    for threshold, change in zip(thresholds, band.y, strict=True):
        limits = CURRENT.copy()
        limits[label] = threshold
        assert change == pytest.approx(score.f_beta(truth, scores >= limits, beta=beta) - before, abs=1e-12)
    assert (band.low <= band.y + 1e-9).all()
    assert band.low[1] == band.high[1] == 0  # nothing changes at the current threshold

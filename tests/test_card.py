import numpy as np
import pytest

from amazon_tags import card, labels
from ensemble import decide, folds, score


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    truth = rng.random((300, 17)) < np.linspace(0.05, 0.6, 17)
    scores = np.clip(0.6 * truth + rng.random(truth.shape) * 0.5, 0, 1).astype(np.float32)
    fold = folds.stratify(truth, folds=3)
    return truth, scores, fold, card.measure(truth, scores, 1 - scores, fold, labels.PLANET, decide.apply(scores, 0.2))


def test_every_road_is_what_the_score_says_of_it(measured):
    truth, scores, fold, found = measured
    roads = {name: road["f2"] for name, road in found["roads"].items()}
    assert roads["flat, one view"] == pytest.approx(score.f2(truth, decide.apply(scores, 0.2)))
    assert roads["cuts, one view"] == pytest.approx(score.f2(truth, decide.nested(scores, truth, fold)))
    assert roads["flat, all views"] == pytest.approx(score.f2(truth, decide.apply(1 - scores, 0.2)))
    assert found["f2"] == roads["flat, one view"]  # as the bundle will decide
    gain = roads["cuts, one view"] - roads["flat, one view"]
    assert found["gain_of_cuts"]["f2"] == pytest.approx(gain)
    low, high = found["gain_of_cuts"]["interval"]
    assert low <= gain <= high


def test_the_constant_answer_is_the_same_for_every_chip(measured):
    truth, _, _, found = measured
    expected = score.f2(truth, np.tile(decide.common(truth), (len(truth), 1)))
    assert found["roads"]["constant answer"]["f2"] == pytest.approx(expected)

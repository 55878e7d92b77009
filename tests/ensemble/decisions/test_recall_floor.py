"""Floors that promise a label's recall."""

import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from ensemble.decisions.recall_floor import chips_needed, is_promised, recall_floor


@pytest.mark.parametrize(("count", "rank"), [(9, 1), (10, 1), (18, 1), (19, 2), (99, 10)])
def test_the_floor_is_the_score_of_the_conformal_rank(count, rank):
    scores = np.random.default_rng(0).permutation(count).astype(np.float32)
    assert recall_floor(scores, 0.9) == rank - 1  # floor((count + 1) * 0.1), and scores are 0, 1, 2, ...


def test_too_few_chips_promise_nothing_and_give_the_least_score():
    assert [chips_needed(recall) for recall in (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)] == [0, 1, 9, 19, 99, None]
    for recall in (0.5, 0.9, 0.95, 0.99):
        needed = chips_needed(recall)
        assert is_promised(needed, recall)
        assert not is_promised(needed - 1, recall)
    assert not is_promised(10**6, 1.0)
    assert recall_floor(np.array([0.3, 0.2, 0.8]), 0.9) == 0.2
    assert recall_floor(np.array([0.3, 0.2, 0.8]), 1.0) == 0.2
    assert recall_floor(np.array([0.3]), 0.0) == math.inf


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose input is the probability of its second class."""

    classes_ = np.array([0, 1])
    is_fitted_ = True

    def fit(self, _values, _classes):
        return self

    def predict_proba(self, values):
        return np.concatenate([1 - values, values], axis=1)

    def predict(self, values):
        return (values[:, 0] > 0.5).astype(int)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:WARNING:UserWarning")  # all chips carry the label, as they should
@pytest.mark.parametrize(("count", "recall"), [(12, 0.9), (30, 0.8), (57, 0.95), (200, 0.9)])
def test_it_is_the_floor_of_another_implementation_of_split_conformal_prediction(count, recall):
    classification = pytest.importorskip("mapie.classification")
    scores = np.random.default_rng(count).random(count)
    other = classification.SplitConformalClassifier(
        Given(), confidence_level=recall, conformity_score="lac", prefit=True
    )
    other.conformalize(scores[:, np.newaxis], np.ones(count, int))
    tried = np.sort(np.concatenate([scores, np.linspace(0, 1, 200)]))
    _, sets = other.predict_set(tried[:, np.newaxis])
    least = tried[sets[:, 1, 0]].min()
    floor = recall_floor(scores, recall)
    assert least == pytest.approx(min(value for value in tried if value >= floor), abs=1e-7)


@pytest.mark.parametrize("recall", [0.8, 0.9])
def test_a_promise_is_kept_on_average_over_chips_that_were_and_were_not_seen(recall):
    rng = np.random.default_rng(1)
    kept = []
    for _ in range(4000):
        drawn = rng.beta(2, 5, 25)
        kept.append(drawn[0] >= recall_floor(drawn[1:], recall))
    rank = math.floor(25 * (1 - recall) + 1e-9)
    assert np.mean(kept) == pytest.approx(1 - rank / 25, abs=0.02)  # exact, and at least the recall
    assert 1 - rank / 25 >= recall

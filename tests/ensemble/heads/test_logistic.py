import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ensemble.heads.fitted import sigmoid, standardise
from ensemble.heads.logistic import choose_strength, fit_logistic, logistic_path
from ensemble.heads.rotation import mean_and_spread, rotate
from tests.ensemble.heads.labelled_vectors import ONE, rendered


@pytest.mark.parametrize("shape", [(200, 12), (60, 90)])
@pytest.mark.parametrize("strength", [1.0, 30.0])
def test_the_logistic_path_agrees_with_sklearn(shape, strength):
    vectors, truth = rendered(8, *shape)
    vectors, truth = vectors[:, 1:], truth[:, [0, 1, 2, 3, ONE]]  # sklearn's solver sees no constant column
    mean, spread = mean_and_spread(vectors)
    rows = standardise(vectors, mean, spread)
    turned = rotate(vectors, truth)
    weights, bias = logistic_path(turned.columns, truth, [1e3, 100.0, strength])[-1]
    ours = sigmoid(turned.columns @ weights + bias)
    for label in range(truth.shape[1]):
        model = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=5000).fit(rows, truth[:, label])
        np.testing.assert_allclose(ours[:, label], model.predict_proba(rows)[:, 1], atol=1e-3)


def test_the_whole_logistic_head_is_the_minimum_at_itschoose_strength():
    vectors, truth = rendered(9, chips=150)
    vectors, truth = vectors[:, 1:], truth[:, :4]
    head = fit_logistic(vectors, truth, 0)
    rows = standardise(vectors, head.mean, head.spread)
    strength = choose_strength(rotate(vectors, truth).columns, truth, 0)
    for label in range(4):
        model = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=5000).fit(rows, truth[:, label])
        np.testing.assert_allclose(head.scores(vectors)[:, label], model.predict_proba(rows)[:, 1], atol=1e-3)

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ensemble.heads.fitted import sigmoid, standardise
from ensemble.heads.label_strengths import fit_label_strengths, logistic_path
from ensemble.heads.logistic import STRENGTHS
from ensemble.heads.rotation import mean_and_spread, rotate
from ensemble.metrics.score import log_loss
from tests.ensemble.heads.labelled_vectors import ALL, ALL_BUT_ONE, NONE, ONE, rendered


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1, "blas"):
        yield


def test_the_path_has_45_strengths_from_the_paper():
    assert len(STRENGTHS) == 45
    np.testing.assert_allclose([STRENGTHS[0], STRENGTHS[-1]], [1e5, 1e-6])
    assert round(float(STRENGTHS[22]), 6) == 0.316228
    np.testing.assert_allclose(STRENGTHS[:-1] / STRENGTHS[1:], 10**0.25)


@pytest.mark.parametrize("shape", [(200, 12), (60, 90)])
@pytest.mark.parametrize("label", [0, ONE, ALL_BUT_ONE])
def test_a_warm_path_equals_a_cold_one_in_at_most_half_of_its_steps(shape, label):
    vectors, truth = rendered(8, *shape)
    columns = rotate(vectors, truth).columns
    warm = logistic_path(columns, truth[:, label], STRENGTHS)
    cold = logistic_path(columns, truth[:, label], STRENGTHS, warm=False)
    np.testing.assert_allclose(warm.weights, cold.weights, rtol=0, atol=1e-4)
    np.testing.assert_allclose(warm.bias, cold.bias, rtol=0, atol=1e-4)
    assert warm.steps.sum() <= cold.steps.sum() / 2


@pytest.mark.parametrize("shape", [(200, 12), (60, 90)])
def test_every_strength_agrees_with_sklearn(shape):
    vectors, truth = rendered(8, *shape)
    vectors = vectors[:, 1:]  # sklearn's solver sees no constant column
    rows = standardise(vectors, *mean_and_spread(vectors))
    columns = rotate(vectors, truth).columns
    strengths = np.array([1e3, 10.0, 0.1, 1e-3])
    path = logistic_path(columns, truth[:, 0], strengths)
    for place, strength in enumerate(strengths):
        model = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-10, max_iter=500)
        expected = model.fit(rows, truth[:, 0]).predict_proba(rows)[:, 1]
        np.testing.assert_allclose(sigmoid(columns @ path.weights[place] + path.bias[place]), expected, atol=1e-5)


def test_the_gradient_is_zero_at_the_weakest_strength():
    vectors, truth = rendered(9, 60, 90)
    columns = rotate(vectors, truth).columns
    path = logistic_path(columns, truth[:, 0], STRENGTHS)
    errors = sigmoid(columns @ path.weights[-1] + path.bias[-1]) - truth[:, 0]
    np.testing.assert_allclose(columns.T @ errors + STRENGTHS[-1] * path.weights[-1], 0, atol=1e-9)


def test_each_label_has_a_strength_of_its_own():
    vectors, truth = rendered(3, 400, 60)
    truth[:, 1] = np.random.default_rng(0).random(400) < 0.4  # noise: only a strong penalty predicts its rate
    scores = fit_label_strengths(vectors[:200], truth[:200], 0).scores(vectors[200:])
    assert log_loss(truth[200:, 1:2], scores[:, 1:2]) < 0.75  # its rate alone has 0.67
    assert log_loss(truth[200:, :1], scores[:, :1]) < 0.3


def test_labels_on_one_chip_on_none_and_on_all_have_scores():
    vectors, truth = rendered()
    scores = fit_label_strengths(vectors, truth, 0).scores(vectors)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert len(np.unique(scores[:, NONE])) == len(np.unique(scores[:, ALL])) == 1


def test_the_number_of_threads_changes_no_bit():
    vectors, truth = rendered()
    one, three = (fit_label_strengths(vectors, truth, 0, jobs=jobs) for jobs in (1, 3))
    assert one.weights.tobytes() == three.weights.tobytes()

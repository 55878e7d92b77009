import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from ensemble.heads.fitted import standardise
from ensemble.heads.ridge import RIDGE_STRENGTHS, fit_ridge
from ensemble.heads.rotation import rotate
from tests.ensemble.heads.labelled_vectors import rendered


@pytest.mark.parametrize("shape", [(120, 12), (40, 90)])
def test_ridge_is_sklearns_under_a_sigmoid(shape):
    vectors, truth = rendered(10, *shape)
    truth = truth[:, :4]
    head = fit_ridge(vectors, truth, 0)
    turned = rotate(vectors, truth)
    strengths = RIDGE_STRENGTHS * (turned.columns**2).sum(axis=0).mean()
    rows = standardise(vectors, head.mean, head.spread)
    model = RidgeCV(alphas=strengths, alpha_per_target=True).fit(rows, truth.astype(float))
    values = model.predict(rows)
    odds = np.log(head.scores(vectors) / (1 - head.scores(vectors)).astype(np.float64))
    for label in range(4):
        slope, offset = np.polyfit(values[:, label], odds[:, label], 1)
        assert slope > 0
        np.testing.assert_allclose(odds[:, label], slope * values[:, label] + offset, atol=0.02)

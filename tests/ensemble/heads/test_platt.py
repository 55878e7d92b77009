import numpy as np
import pytest

from ensemble.heads.fitted import sigmoid
from ensemble.heads.platt import fit_sigmoid


def test_platts_sigmoid_finds_the_line_that_the_tags_were_drawn_from():
    rng = np.random.default_rng(11)
    values = rng.normal(size=20000)
    truth = rng.random(20000) < sigmoid(1.7 * values - 0.8)
    slope, offset = fit_sigmoid(values, truth)
    assert slope == pytest.approx(1.7, abs=0.06)
    assert offset == pytest.approx(-0.8, abs=0.06)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_platts_sigmoid_stays_finite_where_the_values_separate_the_tags(size):
    values = np.linspace(-1, 1, 30) * size
    slope, offset = fit_sigmoid(values, values > 0)
    assert np.isfinite([slope, offset]).all()
    assert slope > 0


def test_decision_values_that_point_the_wrong_way_give_the_rate():
    values = np.linspace(-1, 1, 30)
    slope, offset = fit_sigmoid(values, values < -0.5)
    assert slope == 0
    assert sigmoid(np.array(offset)) == pytest.approx(8.5 / 31)

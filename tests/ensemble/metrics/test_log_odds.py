import numpy as np
import pytest

from ensemble.metrics.log_odds import adjusted_log_odds, compare_log_odds


def answers(*rates: float, chips: int = 400, labels: int = 3) -> np.ndarray:
    """Whether each model is right, with these rates of right answers."""
    rng = np.random.default_rng(0)
    return np.stack([rng.random((chips, labels)) < rate for rate in rates])


def test_adjusted_log_odds_are_those_of_the_formula():
    odds = adjusted_log_odds(np.array([[9.0, 99.0], [5.0, 50.0], [1.0, 0.0]]), 100)
    logits = np.log(
        np.array([[9.5, 99.5], [5.5, 50.5], [1.5, 0.5]]) / np.array([[91.5, 1.5], [95.5, 50.5], [99.5, 100.5]])
    )
    np.testing.assert_allclose(odds, logits - logits.mean(axis=0), rtol=1e-12)


def test_adjusted_log_odds_sum_to_0_over_the_models():
    right = np.random.default_rng(1).integers(0, 101, (5, 17)).astype(float)
    np.testing.assert_allclose(adjusted_log_odds(right, 100).sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(compare_log_odds(answers(0.9, 0.8, 0.7)).mean.sum(), 0, atol=1e-12)


def test_equal_models_differ_by_nothing():
    comparison = compare_log_odds(np.repeat(answers(0.8), 3, axis=0))
    for values in (comparison.mean, comparison.interval, comparison.behind, comparison.behind_interval):
        np.testing.assert_allclose(values, 0, atol=1e-12)


def test_a_better_model_is_first_and_its_interval_holds_its_value():
    comparison = compare_log_odds(answers(0.7, 0.95, 0.85))
    assert comparison.mean.argmax() == 1
    assert comparison.behind[1] == 0
    assert (comparison.behind_interval[[0, 2], 0] > 0).all()
    assert (comparison.interval[:, 0] < comparison.mean).all()
    assert (comparison.mean < comparison.interval[:, 1]).all()


def test_a_model_without_errors_has_finite_log_odds():
    correct = answers(0.9, 0.9)
    correct[0] = True
    assert np.isfinite(compare_log_odds(correct).interval).all()


@pytest.mark.parametrize("shape", [(1, 9, 2), (2, 0, 2), (2, 9, 0)])
def test_a_comparison_needs_two_models_chips_and_labels(shape):
    with pytest.raises(ValueError, match="of models at least two"):
        compare_log_odds(np.ones(shape, bool))

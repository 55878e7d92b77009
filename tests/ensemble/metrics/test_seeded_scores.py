import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ensemble.metrics import score
from ensemble.metrics.seeded_scores import average_precision, measure_seeds

RNG = np.random.default_rng(0)
TRUTH = RNG.random((90, 5)) < [0.5, 0.3, 0.1, 0.05, 0.0]
SCORES = np.clip(TRUTH * 0.3 + RNG.random((3, 90, 5)) * 0.7, 0, 1).round(1).astype(np.float32)  # with equal scores
TAGS = SCORES >= 0.5


@pytest.mark.parametrize("label", range(4))
def test_average_precision_is_that_of_sklearn_with_weights(label):
    times = np.stack([np.ones(90), RNG.integers(0, 3, 90)]).astype(float)
    times[1, np.flatnonzero(TRUTH[:, label])[0]] = 2
    ours = average_precision(TRUTH[:, label], SCORES[0, :, label], times)
    for value, weights in zip(ours, times, strict=True):
        expected = average_precision_score(TRUTH[:, label], SCORES[0, :, label], sample_weight=weights)
        assert value == pytest.approx(expected, abs=1e-12)


def test_measures_are_means_over_the_trainings():
    measured = measure_seeds(TRUTH, SCORES, TAGS)
    assert measured.f2 == pytest.approx(np.mean([score.f2(TRUTH, tags) for tags in TAGS]))
    expected = [score.mean_average_precision(TRUTH, scores) for scores in SCORES]
    assert measured.mean_average_precision == pytest.approx(np.mean(expected))
    recalls = np.mean([score.per_label(TRUTH, tags).recall for tags in TAGS], axis=0)
    np.testing.assert_allclose(measured.recall[:4], recalls[:4])
    assert np.isnan(measured.recall[4])


def test_intervals_of_one_training_are_those_of_chips_alone():
    measured = measure_seeds(TRUTH, SCORES[:1], TAGS[:1], draws=2000)
    low, high = score.bootstrap_interval(score.per_chip(TRUTH, TAGS[0]))
    np.testing.assert_allclose(np.quantile(measured.f2_draws, [0.025, 0.975]), [low, high], atol=0.01)


def test_trainings_that_differ_widen_the_interval():
    tags = np.stack([TRUTH, TAGS[0], ~TRUTH])
    assert measure_seeds(TRUTH, SCORES, tags).f2_draws.std() > 3 * measure_seeds(TRUTH, SCORES, TAGS).f2_draws.std()


def test_draws_are_paired():
    first, second = measure_seeds(TRUTH, SCORES, TAGS), measure_seeds(TRUTH, SCORES, TAGS)
    np.testing.assert_array_equal(first.f2_draws, second.f2_draws)

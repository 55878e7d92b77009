import itertools

import numpy as np
import pytest

from ensemble.decisions.thresholds import (
    FLAT_THRESHOLD,
    apply_thresholds,
    fit_thresholds,
    frequent_tags,
    nested_thresholds,
)
from ensemble.metrics import score


def rendered(seed, chips=60, labels=5):
    """Scores on a coarse grid, so that many are equal, and truth that follows them."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 21, (chips, labels)) / 20).astype(np.float32)
    return scores, rng.random(scores.shape) < scores


def every_threshold(column):
    """A threshold for each way to split the column in two."""
    return [*np.unique(column), np.float32(2)]


def test_a_score_on_the_threshold_is_a_tag_in_float32():
    scores = np.array([[0.2, 0.1, 0.3]]).astype(np.float32)
    assert apply_thresholds(scores, 0.2).tolist() == [[True, False, True]]
    assert apply_thresholds(scores, np.array([0.2, 0.1, 0.3])).tolist() == [[True, True, True]]
    assert apply_thresholds(scores, np.array([0.2, 0.1, 0.3], np.float32)).dtype == np.bool_


def test_thresholds_for_other_labels_are_refused():
    with pytest.raises(ValueError, match="thresholds has 3 values for 5 labels"):
        apply_thresholds(rendered(0)[0], np.zeros(3, np.float32))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("beta", [1, 2])
def test_the_threshold_of_one_label_is_the_best_of_all(seed, beta):
    scores, truth = rendered(seed, labels=1)
    best = max(
        score.f_beta(truth, apply_thresholds(scores, threshold), beta=beta)
        for threshold in every_threshold(scores[:, 0])
    )
    thresholds = fit_thresholds(scores, truth, beta=beta)
    assert score.f_beta(truth, apply_thresholds(scores, thresholds), beta=beta) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_no_single_threshold_improves_on_the_fitted_ones(seed):
    scores, truth = rendered(seed)
    thresholds = fit_thresholds(scores, truth)
    reached = score.f2(truth, apply_thresholds(scores, thresholds))
    for label in range(scores.shape[1]):
        for threshold in every_threshold(scores[:, label]):
            other = thresholds.copy()
            other[label] = threshold
            assert score.f2(truth, apply_thresholds(scores, other)) <= reached + 1e-8


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("density", [0.05, 0.5])
def test_thresholds_never_lose_to_the_start(seed, density):
    rng = np.random.default_rng(seed)
    scores, truth = rng.random((50, 6), np.float32), rng.random((50, 6)) < density
    for start in (FLAT_THRESHOLD, rng.random(6, np.float32)):
        before = score.f2(truth, apply_thresholds(scores, start))
        after = score.f2(truth, apply_thresholds(scores, fit_thresholds(scores, truth, start=start)))
        assert after >= before - 1e-12


def test_thresholds_keep_false_tags_off_chips_without_true_ones():
    """Three labels score 0.3 on empty chips; only raising all thresholds together gains."""
    truth = np.repeat([[True, True, True], [False, False, False]], [1, 9], axis=0)
    scores = np.where(truth, np.float32(0.4), np.float32(0.3))
    assert score.f2(truth, apply_thresholds(scores, FLAT_THRESHOLD)) == 0.1
    assert score.f2(truth, apply_thresholds(scores, fit_thresholds(scores, truth))) == 1


def test_where_most_chips_are_empty_the_best_constant_answer_is_empty():
    truth = np.arange(10)[:, np.newaxis] < [3, 3]
    scores = np.broadcast_to(np.float32(0.3), truth.shape)
    assert not apply_thresholds(scores, fit_thresholds(scores, truth)).any()


def test_two_labels_come_close_to_the_best_pair():
    scores, truth = rendered(3, chips=40, labels=2)
    pairs = itertools.product(every_threshold(scores[:, 0]), every_threshold(scores[:, 1]))
    best = max(score.f2(truth, apply_thresholds(scores, np.array(pair))) for pair in pairs)
    assert score.f2(truth, apply_thresholds(scores, fit_thresholds(scores, truth))) >= best - 0.01


def test_the_order_of_the_labels_hardly_changes_what_is_reached():
    scores, truth = rendered(4, labels=4)
    reached = score.f2(truth, apply_thresholds(scores, fit_thresholds(scores, truth)))
    order = np.array([2, 0, 3, 1])
    other = fit_thresholds(scores[:, order], truth[:, order])
    assert score.f2(truth[:, order], apply_thresholds(scores[:, order], other)) == pytest.approx(reached, abs=0.01)


def test_thresholds_lie_between_scores_and_repeat():
    scores, truth = rendered(5)
    thresholds = fit_thresholds(scores, truth)
    assert thresholds.dtype == np.float32
    moved = thresholds[thresholds != np.float32(FLAT_THRESHOLD)]
    assert len(moved)
    assert not np.isin(moved, scores).any()
    np.testing.assert_array_equal(thresholds, fit_thresholds(scores, truth))


def test_a_label_never_true_is_never_predicted_and_one_always_true_always():
    scores = np.random.default_rng(6).random((80, 3), np.float32)
    scores[0] = 1
    scores[1] = 0
    truth = np.zeros((80, 3), bool)
    truth[:, 1] = True
    truth[:40, 2] = True
    tags = apply_thresholds(scores, fit_thresholds(scores, truth))
    assert not tags[:, 0].any()
    assert tags[:, 1].all()


def test_neighbouring_floats_are_distinguished():
    low = np.float32(0.5)
    scores = np.array([[low, 1], [np.nextafter(low, np.float32(1)), 1]])
    truth = np.array([[False, True], [True, True]])
    thresholds = fit_thresholds(scores, truth)
    assert apply_thresholds(scores, thresholds).tolist() == truth.tolist()


def test_scores_of_other_chips_or_without_numbers_are_refused():
    scores, truth = rendered(0)
    with pytest.raises(ValueError, match=r"\(60, 5\) but truth has \(59, 5\)"):
        fit_thresholds(scores, truth[1:])
    scores[3, 2] = np.nan
    with pytest.raises(ValueError, match="1 scores are not finite"):
        fit_thresholds(scores, truth)


def test_nested_thresholds_are_not_fitted_on_the_chips_that_they_decide():
    scores, truth = rendered(7, chips=90)
    fold = np.arange(90) % 3
    tags = nested_thresholds(scores, truth, fold)
    changed = truth.copy()
    changed[fold == 1] = ~changed[fold == 1]
    np.testing.assert_array_equal(nested_thresholds(scores, changed, fold)[fold == 1], tags[fold == 1])
    expected = apply_thresholds(scores[fold == 2], fit_thresholds(scores[fold != 2], truth[fold != 2]))
    np.testing.assert_array_equal(tags[fold == 2], expected)


def test_the_constant_answer_is_what_more_than_a_fifth_carry():
    truth = np.arange(100)[:, np.newaxis] < np.array([20, 21, 90, 0])
    assert frequent_tags(truth).tolist() == [False, True, True, False]

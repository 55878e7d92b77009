"""Intervals for a folder from a random sample of it."""

import numpy as np
import pytest
from scipy import stats

from ensemble.metrics import sample_intervals, strata


def test_a_share_has_the_interval_of_clopper_and_pearson():
    # Agresti and Coull 1998, table 1: none of 20 has (0, .168), 5 of 20 (.087, .491)
    assert sample_intervals.share(0, 20) == pytest.approx((0, 0.168), abs=5e-4)
    assert sample_intervals.share(5, 20) == pytest.approx((0.087, 0.491), abs=5e-4)
    assert sample_intervals.share(0, 0) == (0, 1)


def test_a_known_whole_narrows_a_share_until_it_is_a_point():
    unlimited = sample_intervals.share(5, 20)
    low, high = sample_intervals.share(5, 20, 60)
    assert unlimited[0] < low < 0.25 < high < unlimited[1]
    assert sample_intervals.share(5, 20, 20) == (0.25, 0.25)
    assert sample_intervals.share(5, 20, 10**7) == pytest.approx(unlimited, abs=1e-4)


def test_the_ends_of_a_share_are_the_last_ones_that_are_possible():
    low, high = sample_intervals.share(3, 10, 40)
    for end, step in ((low, -1), (high, 1)):
        count = round(end * 40)
        for inside, holds in ((count, True), (count + step, False)):
            tail = stats.hypergeom.sf(2, 40, inside, 10) if step < 0 else stats.hypergeom.cdf(3, 40, inside, 10)
            assert (tail > 0.025) == holds


def test_with_one_stratum_a_difference_has_students_interval():
    values = np.random.default_rng(0).normal(size=30)
    estimate = sample_intervals.stratified_difference(values, np.zeros(30, int), np.array([10**9]))
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert estimate.interval == pytest.approx((expected.low, expected.high))


def test_strata_are_weighted_by_their_sizes():
    drawn = np.array([0, 0, 1, 1])
    estimate = sample_intervals.stratified_mean(np.array([0.2, 0.4, 0.9, 0.7]), drawn, np.array([30, 10]))
    assert estimate.mean == pytest.approx(0.75 * 0.3 + 0.25 * 0.8)
    error = (0.75**2 * 0.02 / 2 * (1 - 2 / 30) + 0.25**2 * 0.02 / 2 * (1 - 2 / 10)) ** 0.5
    low, high = (np.log(end / (1 - end)) for end in estimate.interval)
    parts = np.array([0.75**2 * 0.02 / 2 * (1 - 2 / 30), 0.25**2 * 0.02 / 2 * (1 - 2 / 10)])
    degrees = parts.sum() ** 2 / (parts**2).sum()
    mean = estimate.mean
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, degrees) * error / (mean * (1 - mean)))


def test_chips_that_are_all_right_do_not_make_a_folder_perfect():
    estimate = sample_intervals.stratified_mean(np.ones(40), np.arange(40) % 2, np.array([500, 500]))
    assert estimate.interval == pytest.approx(sample_intervals.share(40, 40))


def test_a_folder_that_was_drawn_whole_is_known():
    estimate = sample_intervals.stratified_mean(np.array([0.5, 0.7, 1, 0]), np.array([0, 0, 1, 1]), np.array([2, 2]))
    assert estimate.interval == (estimate.mean, estimate.mean)
    assert estimate.mean == pytest.approx(0.55)


def test_a_stratum_needs_two_chips():
    with pytest.raises(ValueError, match="its variance needs two"):
        sample_intervals.stratified_mean(np.ones(3), np.array([0, 0, 1]), np.array([5, 5]))


def test_as_many_chips_as_are_needed_make_the_interval_as_narrow():
    count = sample_intervals.count_for_share(0.9, 0.1)
    for number, is_narrow in ((count, True), (count - 1, False)):
        hits = 0.9 * number
        low, high = stats.beta.ppf(0.025, hits, number - hits + 1), stats.beta.ppf(0.975, hits + 1, number - hits)
        assert (high - low <= 0.1) == is_narrow
    assert sample_intervals.chips_for_mean(0.16, 0.05, 10**9) == np.ceil((2 * 1.959964 * 0.16 / 0.05) ** 2)
    assert sample_intervals.chips_for_mean(0.16, 0.0001, 1000) == 1000


def test_intervals_cover_what_is_true_of_the_folder():
    rng = np.random.default_rng(5)
    value = rng.random(1500)  # that is known of every chip, such as the expected F2
    f = np.where(rng.random(1500) < value, 1, rng.random(1500))
    positive = rng.random(1500) < 0.3
    covered = []
    for _ in range(200):
        divided = strata.divide(value, 100)
        rows = strata.draw(divided, 100, rng)
        mean = sample_intervals.stratified_mean(f[rows], divided[rows], np.bincount(divided)).interval
        share = sample_intervals.share(int(positive[rows].sum()), 100, 1500)
        covered.append([mean[0] <= f.mean() <= mean[1], share[0] <= positive.mean() <= share[1]])
    assert (np.mean(covered, axis=0) > 0.92).all()

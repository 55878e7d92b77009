"""Test the mean of the members that are least alike among those of like quality."""

import numpy as np
import pytest

from ensemble.choice import choose_candidate
from ensemble.decisions.thresholds import apply_thresholds
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from ensemble.second_level.candidates import compare_second_levels
from ensemble.second_level.diverse import diverse
from tests.ensemble.noise import noisy


@pytest.fixture(scope="module")
def truth():
    truth = np.random.default_rng(0).random((300, 4)) < 0.4
    truth[:, 0] |= ~truth.any(axis=1)
    return truth


def repeats(truth, members):
    """A member, and others that repeat it with a little noise."""
    first = noisy(truth, 4, 0)
    rng = np.random.default_rng(1)
    return [
        first,
        *(np.clip(first + rng.normal(0, 0.01, first.shape), 0, 1).astype(np.float32) for _ in range(members)),
    ]


def weights(matrices, truth):
    found = diverse(matrices, truth, 0).weights
    assert (found == found[:, :1]).all()
    return found[:, 0].tolist()


def test_of_members_that_repeat_one_another_the_best_and_another_kind_are_averaged(truth):
    matrices = [*repeats(truth, 2), noisy(truth, 4, 7)]
    found = weights(matrices, truth)
    assert found[3] == 0.5
    assert sorted(found[:3]) == [0, 0, 0.5]
    f2 = [score.f2(truth, apply_thresholds(matrix, 0.2)) for matrix in matrices]
    assert found[int(np.argmax(f2))] == 0.5


def test_a_worse_member_is_left_out_however_different_it_is(truth):
    assert weights([*repeats(truth, 1), noisy(~truth, 1, 7)], truth) == [0.5, 0.5, 0]
    assert weights([noisy(truth, 0.5, 0), noisy(~truth, 1, 7)], truth) == [1, 0]


def test_two_members_of_like_quality_are_averaged_as_by_the_mean(truth):
    matrices = [noisy(truth, 2, seed) for seed in (1, 2)]
    np.testing.assert_array_equal(diverse(matrices, truth, 0).scores(matrices), blend.mean(matrices))


def test_too_few_chips_for_a_similarity_still_have_a_mean(truth):
    assert sum(weights([noisy(truth[:3], 2, seed) for seed in range(4)], truth[:3])) == 1
    assert sum(weights([np.full_like(noisy(truth, 2, 0), 0.5)] * 3, truth)) == 1


def misses(truth, seed):
    """Scores of a member that does not see three of ten tags."""
    return np.where(truth & (np.random.default_rng(seed).random(truth.shape) > 0.3), 0.9, 0.02).astype(np.float32)


def test_a_member_that_sees_what_the_repeated_one_misses_is_heard(truth):
    matrices = [*([misses(truth, 0)] * 6), misses(truth, 1)]
    fold = folds.stratify(truth, folds=3)
    trials = compare_second_levels(matrices, truth, fold, names=["diverse"])
    assert trials["diverse"].interval[0] > 0.05
    assert choose_candidate(trials, "mean") == "diverse"

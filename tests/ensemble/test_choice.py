from dataclasses import dataclass

import numpy as np
import pytest

from ensemble.choice import choose_candidate, gain_over, nested_choice
from ensemble.metrics import folds, score

CHIPS = 400
NOISE = np.random.default_rng(0).normal(0, 0.05, CHIPS)


@dataclass(frozen=True)
class Result:
    f_beta: np.ndarray
    gain: float
    interval: tuple[float, float]


def results(**f_betas):
    baseline = np.full(CHIPS, 0.5)
    values = {"baseline": baseline, **{name: 0.5 + np.broadcast_to(gain, CHIPS) for name, gain in f_betas.items()}}
    return {name: Result(f_beta, *gain_over(baseline, f_beta)) for name, f_beta in values.items()}


def test_a_gain_comes_with_its_bootstrap_interval():
    gain, interval = gain_over(np.zeros(CHIPS), NOISE)
    assert gain == NOISE.mean()
    assert interval == score.bootstrap_interval(NOISE)


@pytest.mark.parametrize(
    ("f_betas", "chosen"),
    [
        ({}, "baseline"),
        ({"simple": -0.1}, "baseline"),
        ({"simple": NOISE - NOISE.mean() + 0.001}, "baseline"),  # a gain whose interval does not clear zero
        ({"simple": 0.02, "complex": 0.02 + NOISE - NOISE.mean() + 0.001}, "simple"),  # not clearly beaten
        ({"simple": 0.02, "complex": 0.05}, "complex"),
    ],
)
def test_the_simplest_candidate_that_the_best_does_not_clearly_beat_is_chosen(f_betas, chosen):
    assert choose_candidate(results(**f_betas), "baseline") == chosen


def test_a_candidate_must_clearly_beat_the_rivals_too():
    rivals = results(simple=0.02, better=0.05, rival=0.03)
    assert choose_candidate(rivals, "baseline", rivals=["rival"]) == "better"
    assert choose_candidate(results(simple=0.02, rival=0.03), "baseline", rivals=["rival"]) == "baseline"


def test_the_nested_choice_never_uses_the_chips_that_it_predicts():
    truth = np.random.default_rng(1).random((60, 3)) < 0.4
    groups = np.arange(60) // 2
    fold = folds.stratify(truth, folds=3, groups=groups)

    def choose(train, inner_fold):
        assert set(inner_fold) == {0, 1, 2}
        assert all(len(set(inner_fold[groups[train] == group])) == 1 for group in set(groups[train]))
        return f"fold {fold[np.setdiff1d(np.arange(60), train)[0]]}"

    def predict(name, train, held_out):
        assert not set(train) & set(held_out)
        assert name == f"fold {fold[held_out[0]]}"
        return held_out

    np.testing.assert_array_equal(nested_choice(choose, predict, truth, fold, seed=0, groups=groups), np.arange(60))

import numpy as np
import pytest

from ensemble.second_level.pareto import MemberCost, best_within, pareto_front
from tests.ensemble.noise import noisy

COSTS = [MemberCost(1.0, 100), MemberCost(2.0, 50), MemberCost(8.0, 400)]


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(0).random((300, 6)) < 0.35


@pytest.fixture(scope="module")
def front(truth):
    matrices = [noisy(truth, noise, seed) for seed, noise in enumerate((4, 3, 2))]
    return pareto_front(matrices, truth, COSTS)


def test_nothing_on_the_front_is_beaten(front):
    for one in front:
        for other in front:
            better = other.f2 > one.f2 and other.cost.milliseconds <= one.cost.milliseconds
            assert not (better and other.cost.size <= one.cost.size)


def test_costs_add_up_and_the_fastest_comes_first(front):
    for choice in front:
        assert choice.cost.milliseconds == sum(COSTS[place].milliseconds for place in choice.places)
        assert choice.cost.size == sum(COSTS[place].size for place in choice.places)
    assert front[0].places == (0,)
    assert sorted(front, key=lambda choice: choice.cost.milliseconds) == front


def test_the_best_within_a_budget_is_taken(front):
    assert best_within(front).f2 == max(choice.f2 for choice in front)
    small = best_within(front, milliseconds=3.0)
    assert small.cost.milliseconds <= 3
    assert small.f2 == max(choice.f2 for choice in front if choice.cost.milliseconds <= 3)
    assert best_within(front, size=60).places == (1,)


def test_a_budget_that_nothing_keeps_to_names_the_fastest_member(front):
    with pytest.raises(ValueError, match=r"no member fits 0\.5 ms a chip; the fastest takes 1\.00 ms"):
        best_within(front, milliseconds=0.5)


def test_many_members_are_tried_in_teams_that_grow(truth):
    truth = truth | (np.arange(6) == 0)  # no chip without labels
    matrices = [noisy(truth, 8, seed) for seed in range(14)]
    front = pareto_front(matrices, truth, [MemberCost(1.0 + seed, 10) for seed in range(14)])
    best = max(front, key=lambda choice: choice.f2)
    alone = max(pareto_front([matrix], truth, [COSTS[0]])[0].f2 for matrix in matrices)
    assert len(best.places) > 2
    assert best.f2 > alone + 0.02

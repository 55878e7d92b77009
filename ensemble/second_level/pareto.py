"""The Pareto front of members: which subsets give the best F2 for their time and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ensemble.arrays import Scores, Tags
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.metrics import score
from ensemble.second_level import blend

MAX_EXHAUSTIVE_MEMBERS = 12  # up to which all subsets are compared; 12 members have 4,095


@dataclass(frozen=True)
class MemberCost:
    """The cost of a member."""

    milliseconds: float  # per chip on one core
    size: int  # bytes on disk


@dataclass(frozen=True)
class MemberSubset:
    """Some of the members, their cost together, and the F2 of their plain mean at the flat threshold."""

    places: tuple[int, ...]  # positions in the list of members
    cost: MemberCost
    f2: float


def pareto_front(matrices: Sequence[Scores], truth: Tags, costs: Sequence[MemberCost]) -> list[MemberSubset]:
    """Return the subsets of members that no other subset beats in F2, time and size at once, the fastest first.

    All subsets of up to `MAX_EXHAUSTIVE_MEMBERS` members are compared; of more members, each one alone and the subsets
    that grow greedily by the member that raises F2 most.
    """
    subsets = [_measure(places, matrices, truth, costs) for places in _subsets(matrices, truth)]
    front = [subset for subset in subsets if not any(_beats(other, subset) for other in subsets)]
    return sorted(front, key=lambda subset: (subset.cost.milliseconds, subset.cost.size))


def best_within(front: Sequence[MemberSubset], *, milliseconds: float = np.inf, size: float = np.inf) -> MemberSubset:
    """Return the subset of the highest F2 within a budget of milliseconds per chip and of bytes.

    Raises:
        ValueError: no subset is within the budget.
    """
    affordable = [subset for subset in front if subset.cost.milliseconds <= milliseconds and subset.cost.size <= size]
    if not affordable:
        fastest, smallest = min(subset.cost.milliseconds for subset in front), min(subset.cost.size for subset in front)
        budgets = [f"{milliseconds:g} ms a chip"] * (milliseconds < np.inf)
        budgets += [f"{size / 2**20:g} MiB"] * (size < np.inf)
        raise ValueError(
            f"no member fits {' and '.join(budgets)}; the fastest takes {fastest:.2f} ms and the smallest "
            f"{smallest / 2**20:.1f} MiB; raise budget_ms or budget_mb."
        )
    return max(affordable, key=lambda subset: subset.f2)


def _subsets(matrices: Sequence[Scores], truth: Tags) -> list[tuple[int, ...]]:
    members = range(len(matrices))
    if len(matrices) <= MAX_EXHAUSTIVE_MEMBERS:
        return [places for count in members for places in combinations(members, count + 1)]
    subsets: list[tuple[int, ...]] = [(place,) for place in members]
    largest: tuple[int, ...] = ()
    while len(largest) < len(matrices):
        extended = [tuple(sorted((*largest, place))) for place in members if place not in largest]
        largest = max(extended, key=lambda places: _f2(places, matrices, truth))
        subsets.append(largest)
    return list(dict.fromkeys(subsets))


def _measure(
    places: tuple[int, ...], matrices: Sequence[Scores], truth: Tags, costs: Sequence[MemberCost]
) -> MemberSubset:
    cost = MemberCost(sum(costs[place].milliseconds for place in places), sum(costs[place].size for place in places))
    return MemberSubset(places, cost, _f2(places, matrices, truth))


def _f2(places: tuple[int, ...], matrices: Sequence[Scores], truth: Tags) -> float:
    scores = blend.mean([matrices[place] for place in places])
    return score.f2(truth, apply_thresholds(scores, FLAT_THRESHOLD))


def _beats(one: MemberSubset, other: MemberSubset) -> bool:
    """Return whether one subset is nowhere worse than the other and somewhere better."""
    pairs = [
        (-one.f2, -other.f2),
        (one.cost.milliseconds, other.cost.milliseconds),
        (one.cost.size, other.cost.size),
    ]
    return all(first <= second for first, second in pairs) and any(first < second for first, second in pairs)

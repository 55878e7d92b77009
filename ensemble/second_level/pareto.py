"""Which members are worth their time and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ensemble.arrays import Scores, Tags
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds
from ensemble.metrics import score
from ensemble.second_level import blend

MAX_EXHAUSTIVE_MEMBERS = 12  # members of whom all subsets can be tried


@dataclass(frozen=True)
class MemberCost:
    """What a member costs: milliseconds a chip on one core, and bytes on disk."""

    milliseconds: float
    size: int


@dataclass(frozen=True)
class MemberSubset:
    """Some members by place, what they cost together, and the F2 of their plain mean at the flat cut."""

    places: tuple[int, ...]
    cost: MemberCost
    f2: float


def pareto_front(matrices: Sequence[Scores], truth: Tags, costs: Sequence[MemberCost]) -> list[MemberSubset]:
    """The subsets of members that no other beats in F2, time and size at once, the fastest first.

    All subsets of up to `MANY` members are tried; of more, those that grow greedily by the member that helps most.
    """
    choices = [_choice(places, matrices, truth, costs) for places in _subsets(matrices, truth)]
    kept = [choice for choice in choices if not any(_beats(other, choice) for other in choices)]
    return sorted(kept, key=lambda choice: (choice.cost.milliseconds, choice.cost.size))


def best_within(choices: Sequence[MemberSubset], *, milliseconds: float = np.inf, size: float = np.inf) -> MemberSubset:
    """The best of a front under a budget.

    Raises:
        ValueError: nothing is that small.
    """
    fitting = [entry for entry in choices if entry.cost.milliseconds <= milliseconds and entry.cost.size <= size]
    if not fitting:
        least = min(entry.cost.milliseconds for entry in choices), min(entry.cost.size for entry in choices)
        asked = [f"{milliseconds:g} ms a chip"] * (milliseconds < np.inf) + [f"{size / 2**20:g} MiB"] * (size < np.inf)
        raise ValueError(
            f"no member fits {' and '.join(asked)}; the least there is takes {least[0]:.2f} ms and "
            f"{least[1] / 2**20:.1f} MiB; raise budget_ms or budget_mb."
        )
    return max(fitting, key=lambda entry: entry.f2)


def _subsets(matrices: Sequence[Scores], truth: Tags) -> list[tuple[int, ...]]:
    everyone = range(len(matrices))
    if len(matrices) <= MAX_EXHAUSTIVE_MEMBERS:
        return [places for count in everyone for places in combinations(everyone, count + 1)]
    grown: list[tuple[int, ...]] = [(place,) for place in everyone]
    team: tuple[int, ...] = ()
    while len(team) < len(matrices):
        tried = [tuple(sorted((*team, place))) for place in everyone if place not in team]
        team = max(tried, key=lambda places: _f2(places, matrices, truth))
        grown.append(team)
    return list(dict.fromkeys(grown))


def _choice(
    places: tuple[int, ...], matrices: Sequence[Scores], truth: Tags, costs: Sequence[MemberCost]
) -> MemberSubset:
    cost = MemberCost(sum(costs[place].milliseconds for place in places), sum(costs[place].size for place in places))
    return MemberSubset(places, cost, _f2(places, matrices, truth))


def _f2(places: tuple[int, ...], matrices: Sequence[Scores], truth: Tags) -> float:
    mixed = blend.mean([matrices[place] for place in places])
    return float(score.per_chip(truth, apply_thresholds(mixed, FLAT_THRESHOLD)).mean())


def _beats(one: MemberSubset, other: MemberSubset) -> bool:
    """Whether one is nowhere worse than the other and somewhere better."""
    pairs = [
        (-one.f2, -other.f2),
        (one.cost.milliseconds, other.cost.milliseconds),
        (one.cost.size, other.cost.size),
    ]
    return all(first <= second for first, second in pairs) and any(first < second for first, second in pairs)

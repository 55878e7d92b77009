"""Which members are worth their time and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ensemble import blend, decide, score

Scores = NDArray[np.float32]  # (chips, labels)
Tags = NDArray[np.bool_]  # (chips, labels)

MANY = 12  # members of whom all subsets can be tried


@dataclass(frozen=True)
class Cost:
    """What a member costs: milliseconds a chip on one core, and bytes on disk."""

    milliseconds: float
    size: int


@dataclass(frozen=True)
class Choice:
    """Some members by place, what they cost together, and the F2 of their plain mean at the flat cut."""

    places: tuple[int, ...]
    cost: Cost
    f2: float


def front(matrices: Sequence[Scores], truth: Tags, costs: Sequence[Cost]) -> list[Choice]:
    """The subsets of members that no other beats in F2, time and size at once, the fastest first.

    All subsets of up to `MANY` members are tried; of more, those that grow greedily by the member that helps most.
    """
    choices = [_choice(places, matrices, truth, costs) for places in _subsets(matrices, truth)]
    kept = [choice for choice in choices if not any(_beats(other, choice) for other in choices)]
    return sorted(kept, key=lambda choice: (choice.cost.milliseconds, choice.cost.size))


def within(choices: Sequence[Choice], *, milliseconds: float = np.inf, size: float = np.inf) -> Choice:
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
    if len(matrices) <= MANY:
        return [places for count in everyone for places in combinations(everyone, count + 1)]
    grown: list[tuple[int, ...]] = [(place,) for place in everyone]
    team: tuple[int, ...] = ()
    while len(team) < len(matrices):
        tried = [tuple(sorted((*team, place))) for place in everyone if place not in team]
        team = max(tried, key=lambda places: _f2(places, matrices, truth))
        grown.append(team)
    return list(dict.fromkeys(grown))


def _choice(places: tuple[int, ...], matrices: Sequence[Scores], truth: Tags, costs: Sequence[Cost]) -> Choice:
    cost = Cost(sum(costs[place].milliseconds for place in places), sum(costs[place].size for place in places))
    return Choice(places, cost, _f2(places, matrices, truth))


def _f2(places: tuple[int, ...], matrices: Sequence[Scores], truth: Tags) -> float:
    mixed = blend.mean([matrices[place] for place in places])
    return float(score.per_chip(truth, decide.apply(mixed, decide.FLAT)).mean())


def _beats(one: Choice, other: Choice) -> bool:
    """Whether one is nowhere worse than the other and somewhere better."""
    pairs = [
        (-one.f2, -other.f2),
        (one.cost.milliseconds, other.cost.milliseconds),
        (one.cost.size, other.cost.size),
    ]
    return all(first <= second for first, second in pairs) and any(first < second for first, second in pairs)

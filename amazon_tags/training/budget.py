"""Which members of a recipe go into the bundle: those that it ships, within its budget of time and size."""

import numpy as np

from amazon_tags.model.manifest import FrontEntry
from amazon_tags.model.recipe import Recipe
from amazon_tags.training.members import FittedMember, member_cost
from ensemble.arrays import Tags
from ensemble.second_level.pareto import best_within, pareto_front

BYTES_A_MEBIBYTE = 2**20


def choose_members(
    recipe: Recipe, truth: Tags, members: list[FittedMember]
) -> tuple[list[FittedMember], tuple[FrontEntry, ...]]:
    """Return the members that go into the bundle, and the front that a budget was applied to.

    Raises:
        ValueError: no choice of members fits the budget.
    """
    pool = [member for member in members if not recipe.ship or member.settings.name in recipe.ship]
    if not recipe.budget_ms and not recipe.budget_mb:
        return pool, ()
    size = recipe.budget_mb * BYTES_A_MEBIBYTE if recipe.budget_mb else np.inf
    front = pareto_front([member.scores[0] for member in pool], truth, [member_cost(member) for member in pool])
    best = best_within(front, milliseconds=recipe.budget_ms or np.inf, size=size)
    entries = tuple(
        FrontEntry(
            tuple(pool[place].settings.name for place in subset.places),
            subset.cost.milliseconds,
            subset.cost.size / BYTES_A_MEBIBYTE,
            subset.f2,
            subset == best,
        )
        for subset in front
    )
    return [pool[place] for place in best.places], entries

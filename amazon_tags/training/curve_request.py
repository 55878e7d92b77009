"""What `amazon_tags curve` measures, and what of a recipe it trains; importing this loads no network library."""

from dataclasses import dataclass, replace

from amazon_tags import progress
from amazon_tags.model.recipe import Recipe
from ensemble.networks.settings import TunedMember

UNUSED_KEYS = ("second", "decision", "budget_ms", "budget_mb")  # of a recipe: they need labels that a subset lacks


@dataclass(frozen=True)
class CurveRequest:
    """What to measure.

    Attributes:
        shots: the least numbers of chips a label, ascending.
        full: whether to train on all labelled chips too.
        seeds: how many subsets to draw for each number of shots.
        targets: the F2 for which to say how many labelled chips are needed.
    """

    shots: tuple[int, ...] = (1, 5, 10, 50, 100)
    full: bool = True
    seeds: int = 5
    targets: tuple[float, ...] = ()


def curve_recipe(recipe: Recipe) -> Recipe:
    """Return what a curve trains of a recipe, and report what it leaves out.

    Learnt second levels and thresholds use the labels of all out-of-fold chips, more than a subset has; so every point
    has the mean of the members that the recipe ships, and one flat threshold.

    Raises:
        ValueError: a member has teachers.
    """
    taught = [member.name for member in recipe.members if isinstance(member, TunedMember) and member.teachers]
    if taught:
        raise ValueError(
            f"{taught[0]} has teachers, which a curve does not train on subsets; name a recipe without teachers."
        )
    members = tuple(member for member in recipe.members if not recipe.ship or member.name in recipe.ship)
    plain = replace(recipe, members=members, ship=(), second="mean", decision="flat", budget_ms=0.0, budget_mb=0.0)
    keys = [key for key in UNUSED_KEYS if getattr(recipe, key) != getattr(plain, key)]
    if keys:
        progress.say(
            f"every point has the mean of its members and one flat threshold; the recipe's {', '.join(keys)} "
            f"{'is' if len(keys) == 1 else 'are'} not used"
        )
    return plain

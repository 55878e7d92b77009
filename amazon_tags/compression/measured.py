"""The networks that `amazon_tags compress` measured, and which pruned point to ship."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amazon_tags.compression.costs import Cost
from amazon_tags.compression.request import MAX_LOSS
from amazon_tags.compression.units import Point
from ensemble.arrays import Floats
from ensemble.compression.strategies import CONTROLS, UNPRUNED
from ensemble.metrics.seeded_scores import SeededScores

Kind = Literal["pruned", "int8", "beside"]

ENDS = (0.025, 0.975)
ALIKE = 1.05  # times of two networks by their quotient, within which they are not told apart


@dataclass(frozen=True)
class MeasuredPoint:
    """Networks with their scores and their cost; a row of the report.

    Attributes:
        point: how they were pruned; of others their name, at ratio 1.
        compression: all parameters by those that are left; NaN for other bundles, whose networks are of another shape.
        before: scores before fine-tuning; the same as `after` for what is not fine-tuned.
        after: scores after fine-tuning.
        cost: of the networks together.
        seeds: how many times they were trained.
        kind: pruned, with the unpruned ones; `int8` for the unpruned ones quantised; `beside` for another bundle.
    """

    point: Point
    compression: float
    before: SeededScores
    after: SeededScores
    cost: Cost
    seeds: int
    kind: Kind = "pruned"

    def is_control(self) -> bool:
        """Return whether it is there to compare others with, and no way to make networks smaller."""
        return self.kind == "pruned" and (self.point.strategy == UNPRUNED or self.point.strategy in CONTROLS)

    def can_ship(self) -> bool:
        """Return whether `--ship` may write it."""
        return self.kind == "pruned" and not self.is_control()


def choose_point(measured: Sequence[MeasuredPoint], wanted: tuple[str, float] | None) -> MeasuredPoint:
    """Return the point to ship: the wanted one, or the fastest that loses at most `MAX_LOSS` of F2.

    Of points whose times are alike, it is the one with the fewest gzipped bytes.

    Raises:
        ValueError: no point loses so little.
    """
    points = [point for point in measured if point.kind == "pruned"]
    if wanted:
        return next(point for point in points if (point.point.strategy, point.point.ratio) == wanted)
    best = fastest([point for point in points if point.can_ship()], measured[0])
    if best is None:
        raise ValueError(
            f"no point loses at most {MAX_LOSS} of F2, so that none is shipped; name one by --point STRATEGY:RATIO to "
            "ship it all the same."
        )
    return best


def fastest(points: Sequence[MeasuredPoint], whole: MeasuredPoint) -> MeasuredPoint | None:
    """Return the fastest that loses at most `MAX_LOSS` of F2, of those whose times are alike the smallest; or None."""
    alike = [point for point in points if lost_f2(point, whole)[0] <= MAX_LOSS]
    if not alike:
        return None
    least = min(point.cost.milliseconds for point in alike)
    return min(
        (point for point in alike if point.cost.milliseconds <= ALIKE * least), key=lambda point: point.cost.gzipped
    )


def lost_f2(point: MeasuredPoint, whole: MeasuredPoint) -> tuple[float, float, float]:
    """Return the F2 that a point loses to the unpruned networks as they were, with its paired interval."""
    if point is whole:
        return 0.0, 0.0, 0.0
    return whole.before.f2 - point.after.f2, *interval(whole.before.f2_draws - point.after.f2_draws)


def interval(draws: Floats) -> tuple[float, float]:
    """Return the ends of the 95 % interval of bootstrap draws."""
    low, high = np.nanquantile(draws, ENDS)
    return float(low), float(high)

"""Where the names of points stand in a chart, so that they cover neither one another nor other points."""

from collections.abc import Sequence
from dataclasses import dataclass

CHARACTER_PIXELS = 7  # of a name, at most
LINE_PIXELS = 14  # the height of a name
MAX_CHARACTERS = 32  # of a name beside its point; where a mouse rests, it is whole
MARK_PIXELS = 5  # from the middle of a point's mark to its rim
NEAR_PIXELS = 8  # from the middle of another point's mark, within which a name would seem to be that point's
BESIDE = 8  # pixels between a point and its name
RISES = (-6, 16, -20, 30, -34, 44, -48, 58, -62, 72)  # pixels from a point down to the foot of its name, tried in turn
FAR = 16  # pixels of a rise, beyond which a line leads from the name to its point
# What a place costs: to cover a name, to leave the plot, to cover or be near a mark, and each place tried before it.
COVERED_NAME, OUTSIDE, COVERED_MARK, NEAR_MARK, LATER = 100.0, 50.0, 2.0, 1.0, 0.1

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class NamePlace:
    """Where a name stands.

    Attributes:
        text: the name, shortened if it is long.
        x: where it begins or ends, in pixels.
        y: its foot.
        anchor: `start` if x is its begin, `end` if x is its end.
        is_far: whether its point is so far away that a line should lead there.
    """

    text: str
    x: float
    y: float
    anchor: str
    is_far: bool

    def box(self) -> Box:
        """Return the rectangle that it covers."""
        width = CHARACTER_PIXELS * len(self.text)
        left = self.x if self.anchor == "start" else self.x - width
        return left, self.y - LINE_PIXELS + 3, left + width, self.y + 3


def place_names(
    names: Sequence[tuple[str, float, float]], marks: Sequence[tuple[float, float]], plot: Box
) -> list[NamePlace]:
    """Return the place of each name.

    Args:
        names: each with its point's x and y in pixels.
        marks: x and y of all points.
        plot: the rectangle of the plot.
    """
    placed: list[NamePlace] = []
    for name, x, y in names:
        others = [mark for mark in marks if mark != (x, y)]
        boxes = [place.box() for place in placed]
        places = _candidates(name, x, y, plot)
        costs = [LATER * rank + _cost(place.box(), boxes, others, plot) for rank, place in enumerate(places)]
        placed.append(places[costs.index(min(costs))])
    return placed


def _candidates(name: str, x: float, y: float, plot: Box) -> list[NamePlace]:
    """Return the places to try: first on the side with more room."""
    text = name if len(name) <= MAX_CHARACTERS else f"{name[: MAX_CHARACTERS - 1]}…"
    sides = [("start", x + BESIDE), ("end", x - BESIDE)]
    if x > (plot[0] + plot[2]) / 2:
        sides.reverse()
    return [NamePlace(text, end, y + rise, anchor, abs(rise) > FAR) for rise in RISES for anchor, end in sides]


def _cost(box: Box, names: Sequence[Box], marks: Sequence[tuple[float, float]], plot: Box) -> float:
    left, top, right, bottom = box
    is_inside = plot[0] <= left and plot[1] <= top and right <= plot[2] and bottom <= plot[3]
    covered = sum(overlap(box, _mark_box(mark, MARK_PIXELS)) for mark in marks)
    near = sum(overlap(box, _mark_box(mark, NEAR_PIXELS)) for mark in marks)
    cost = COVERED_NAME * sum(overlap(box, name) for name in names) + COVERED_MARK * covered + NEAR_MARK * near
    return cost + (0 if is_inside else OUTSIDE)


def _mark_box(mark: tuple[float, float], size: int) -> Box:
    return mark[0] - size, mark[1] - size, mark[0] + size, mark[1] + size


def overlap(box: Box, other: Box) -> bool:
    """Return whether two rectangles have an area in common."""
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]

"""Places of names in charts."""

from itertools import combinations

import numpy as np
import pytest

from amazon_tags.evaluation.chart_names import MAX_CHARACTERS, overlap, place_names

PLOT = (70.0, 58.0, 700.0, 390.0)


def test_a_name_alone_stands_at_its_point_on_the_side_with_more_room():
    (left,), (right,) = (place_names([("name", x, 200.0)], [(x, 200.0)], PLOT) for x in (100.0, 600.0))
    assert (left.x, left.y, left.anchor, left.is_far) == (108, 194, "start", False)
    assert (right.x, right.y, right.anchor, right.is_far) == (592, 194, "end", False)


@pytest.mark.parametrize("seed", range(20))
def test_names_of_crowded_points_cover_neither_one_another_nor_leave_the_plot(seed):
    rng = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in rng.normal([200, 200], [25, 15], (6, 2))]
    places = place_names([(f"strategy:{row}", *point) for row, point in enumerate(points)], points, PLOT)
    boxes = [place.box() for place in places]
    assert not any(overlap(*pair) for pair in combinations(boxes, 2))
    assert all(PLOT[0] <= box[0] and box[2] <= PLOT[2] and PLOT[1] <= box[1] and box[3] <= PLOT[3] for box in boxes)


def test_a_name_leaves_the_mark_of_another_point_free():
    points = [(100.0, 200.0), (125.0, 192.0)]
    (place,) = place_names([("name", *points[0])], points, PLOT)
    assert not overlap(place.box(), (120, 187, 130, 197))


def test_a_long_name_is_shortened():
    (place,) = place_names([("long" * 50, 100.0, 200.0)], [], PLOT)
    assert len(place.text) == MAX_CHARACTERS
    assert place.text.endswith("lon…")

"""Charts as SVG."""

import re
from xml.etree import ElementTree

import pytest

from amazon_tags.evaluation.line_chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    ChartPoint,
    ChartSeries,
    ChartTitles,
    line_chart,
)

SVG = "{http://www.w3.org/2000/svg}"


def read(text):
    root = ElementTree.fromstring(text)  # noqa: S314  our own chart
    dots = [dot for dot in root.iter(f"{SVG}circle") if dot.get("r") == "4"]
    texts = [element.text for element in root.iter(f"{SVG}text")]
    return root, [(float(dot.get("cx")), float(dot.get("cy"))) for dot in dots], texts


def test_points_lie_where_their_values_are():
    points = [ChartPoint(0, 0.0), ChartPoint(5, 0.5), ChartPoint(10, 1.0)]
    _, dots, texts = read(line_chart(ChartTitles("a", "b", "c"), [ChartSeries("s", points)]))
    middle = ((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2)
    assert dots == [(LEFT, HEIGHT - BOTTOM), middle, (WIDTH - RIGHT, TOP)]
    assert {"0", "10", "1", "a", "b", "c", "s"} <= set(texts)


def test_a_logarithmic_axis_has_equal_steps_for_equal_ratios():
    points = [ChartPoint(size, 0.5) for size in (1, 10, 100)]
    _, dots, texts = read(line_chart(ChartTitles("a", "b", "c", log_x=True), [ChartSeries("s", points)]))
    assert dots[1][0] - dots[0][0] == pytest.approx(dots[2][0] - dots[1][0], abs=0.11)
    assert {"1", "2", "5", "10", "100"} <= set(texts)


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("points", [[(3, 0.7)], [(3, 0.7), (3, 0.7)], [(1e-3, -2.0), (4e5, 1e4)], [(617, 0.0)]])
def test_everything_lies_inside_the_axes(points, log_x):
    series = [ChartSeries("s", [ChartPoint(x, y, (y - 0.1, y + 0.1)) for x, y in points])]
    root, dots, _ = read(line_chart(ChartTitles("a", "b", "c", log_x), series))
    ends = [(dots[0][0], float(line.get(end))) for line in root.iter(f"{SVG}line") for end in ("y1", "y2")]
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in [*dots, *ends])


def test_names_are_escaped_and_written_where_they_are_wanted():
    points = [ChartPoint(1, 0.5, name="a<b>&"), ChartPoint(2, 0.6, name="c", labelled=True)]
    root, dots, texts = read(line_chart(ChartTitles("<&>", "b", "c"), [ChartSeries("s", points, "dots")]))
    assert len(dots) == 2
    assert [title.text for title in root.iter(f"{SVG}title")] == ["<&>", "a<b>& 0.5000", "c 0.6000"]
    assert "c" in texts
    assert "a<b>&" not in texts
    assert not list(root.iter(f"{SVG}polyline"))


def test_a_logarithmic_vertical_axis_over_many_powers_of_ten_has_few_numbers():
    points = [ChartPoint(place, value) for place, value in enumerate((1e-7, 1e-1, 1e5))]
    _, dots, texts = read(line_chart(ChartTitles("a", "b", "c", log_y=True), [ChartSeries("s", points)]))
    assert dots[0][1] - dots[1][1] == pytest.approx(dots[1][1] - dots[2][1])
    assert [text for text in texts if "e" in text] == ["1e-07", "1e-05"]
    assert {"0.001", "0.1", "10", "1000", "100000"} <= set(texts)


def test_long_names_of_series_stand_below_one_another_within_the_picture():
    names = ["mobilenet_v3_small@expanded_conv_5_add", "top", "other"]
    series = [ChartSeries(name, [ChartPoint(1, 2)]) for name in names]
    picture = line_chart(ChartTitles("title", "x", "y"), series)
    height = int(re.search(r'viewBox="0 0 720 (\d+)"', picture).group(1))
    places = [re.search(rf'x="([\d.]+)" y="([\d.]+)" text-anchor="start">{name}<', picture).groups() for name in names]
    assert [x for x, _ in places] == ["86.0"] * 3
    assert [float(y) for _, y in places] == [460, 480, 500]
    assert height > 500


def test_names_beside_points_are_drawn_over_all_points():
    series = [
        ChartSeries("first", [ChartPoint(1, 2, name="here", labelled=True)]),
        ChartSeries("b", [ChartPoint(1, 3)]),
    ]
    picture = line_chart(ChartTitles("title", "x", "y"), series)
    assert picture.index(">here<") > picture.rindex("<circle")

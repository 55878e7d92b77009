"""The file of `amazon_tags curve`, drawn again."""

import pytest

from amazon_tags.evaluation.curve_file import learning_curve

HEADER = "shots,chips,seeds,metric,label,value,low,high\n"


def test_the_chart_has_a_point_for_each_row_of_f2_and_mean_average_precision(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text(
        HEADER
        + "1,17.0,3,f2,,0.61,0.58,0.64\nfull,560.0,1,f2,,0.884,0.87,0.9\n"
        + "1,17.0,3,mean_average_precision,,0.3,0.2,0.4\n1,17.0,3,recall,road,0.5,0.4,0.6\n"
    )
    chart = learning_curve(path)
    names = ["1 shots 0.6100", "full shots 0.8840", "1 shots 0.3000"]
    assert all(f"<title>{name}</title>" in chart for name in names)
    assert "0.5000" not in chart
    assert "mean average precision" in chart


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("image_name,tags\na,b\n", "shots"),
        (HEADER + "1,17,3,recall,road,0.5,0.4,0.6\n", "no row of the metric f2"),
        (HEADER + "1,17,3,f2,,high,0.4,0.6\n", "line 2: 17, high"),
        (HEADER + "1,0,3,f2,,0.5,0.4,0.6\n", "line 2: 0, 0.5"),
        (HEADER + "1,9,3,f2,,nan,0.4,0.6\n", "line 2"),
    ],
)
def test_another_table_is_refused(tmp_path, content, match):
    (tmp_path / "curve.csv").write_text(content)
    with pytest.raises(ValueError, match=match):
        learning_curve(tmp_path / "curve.csv")

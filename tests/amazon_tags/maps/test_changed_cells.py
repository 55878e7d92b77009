"""Changed cells and their alerts: exact values by hand, the limit of clouds, and labels of the weather."""

import numpy as np
import pytest

from amazon_tags.maps.alerts import Alert, alerts_csv, find_alerts
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.changed_cells import cloud_probability, compare_cells
from amazon_tags.maps.columns import change_columns
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from features.scenes.scene import WITHOUT_POSITION, Scene

SPACE = LabelSpace("sky", ("clear", "cloudy", "road", "water"), (("clear", "cloudy"),), ("cloudy",))
AS_THEY_ARE = calibrate.unchanged(4)
BEFORE = [[0.5, 0.25, 0.25, 0.75], [0.5, 0.5, 0.0, 0.5], [0.5, 0.75, 0.0, 0.0], [1.0, 0.0, 0.125, 0.5]]
AFTER = [[0.5, 0.25, 0.75, 0.125], [0.5, 0.25, 1.0, 0.5], [0.5, 0.25, 1.0, 1.0], [0.0, 0.0, 0.875, 0.5]]


def cells(scores, boxes=None):
    boxes = boxes or [(column, 0, column + 8, 8) for column in range(0, 8 * len(scores), 8)]
    scene = Scene(("scene.tif",), 64, 8, 3, "uint8", None, WITHOUT_POSITION, lambda part: None)
    matrix = np.array(scores, np.float32)
    return MapCells(scene, boxes, matrix, matrix > 0.5, np.ones(len(boxes)), np.full(len(boxes), 0.75))


def compared(before=BEFORE, after=AFTER, *, calibration=AS_THEY_ARE, max_cloud=0.5):
    before, after = (date if isinstance(date, MapCells) else cells(date) for date in (before, after))
    return compare_cells(before, after, SPACE, calibration=calibration, max_cloud=max_cloud)


def test_alerts_have_the_exact_probability_and_odds_the_most_probable_first():
    alerts = find_alerts(compared(), SPACE, 0.5)
    assert alerts[1:] == [
        Alert("r0_c24", "road", "appeared", 0.765625, 0.765625 / 0.234375),
        Alert("r0_c0", "water", "vanished", 0.65625, 21 / 11),
        Alert("r0_c0", "road", "appeared", 0.5625, 9 / 7),
    ]
    assert alerts[0].probability == pytest.approx(1 - 2e-6, abs=1e-11)
    assert alerts_csv(alerts[1:]) == (
        "window,tag,change,probability,odds\n"
        "r0_c24,road,appeared,0.7656,3.267\n"
        "r0_c0,water,vanished,0.6562,1.909\n"
        "r0_c0,road,appeared,0.5625,1.286\n"
    )
    assert [alert.window for alert in find_alerts(compared(), SPACE, 0.5626)] == ["r0_c8", "r0_c24", "r0_c0"]


def test_windows_at_the_limit_of_clouds_are_compared_and_those_above_it_are_not(caplog):
    changed = compared()
    assert changed.before.names == changed.after.names == ["r0_c0", "r0_c8", "r0_c24"]
    np.testing.assert_array_equal(changed.clouds, [[0.25, 0.25], [0.5, 0.25], [0, 0]])
    assert (
        "1 of 4 windows are not compared, because clouds are more probable than 50% at one date or both" in caplog.text
    )
    assert len(compared(max_cloud=0.75).before.boxes) == 4
    assert compared(max_cloud=0).before.names == ["r0_c24"]
    with pytest.raises(
        ValueError, match=r"none of 3 windows is clear .* 50% in 0 of scene\.tif and in 3 of scene\.tif"
    ):
        compared(BEFORE[:1] * 3, [[0, 0.75, 0, 0]] * 3)


def test_clouds_are_the_sum_of_the_labels_that_mean_them():
    scores = np.zeros((2, 17), np.float32)
    for name, value in {"cloudy": 0.25, "partly_cloudy": 0.125, "haze": 0.5, "clear": 1, "road": 1}.items():
        scores[0, labels.PLANET.names.index(name)] = value
    scores[1] = 1
    assert cloud_probability(scores, labels.PLANET).tolist() == [0.875, 1]
    assert cloud_probability(scores[:, :2], LabelSpace("farm", ("barn", "silo"))).tolist() == [0, 0]


def test_weather_is_no_alert_in_a_space_with_weather_and_every_label_is_one_without():
    changed = compared(max_cloud=1)
    assert changed.changes.vanished[3, 0] > 0.99  # clear
    assert {alert.tag for alert in find_alerts(changed, SPACE, 0)} == {"road", "water"}
    other = LabelSpace("farm", ("barn", "silo", "road", "water"))
    assert {alert.tag for alert in find_alerts(changed, other, 0)} == set(other.names)


def test_scores_are_calibrated_before_they_are_compared():
    calibration = Calibration("temperature", np.full(4, 2.0), np.zeros(4))  # odds are squared
    changed = compared([[0.5, 0, 0.25, 0.5]], [[0.5, 0, 0.75, 0.5]], calibration=calibration)
    np.testing.assert_allclose(changed.changes.appeared[0, 2:], [0.9 * 0.9, 0.25], rtol=1e-6)


def test_only_cells_of_both_dates_are_compared_whatever_their_order():
    places = [(column, 0, column + 8, 8) for column in (0, 8, 24)]
    after = cells([AFTER[3], AFTER[0]], [places[2], places[0]])
    changed = compared(cells([BEFORE[0], BEFORE[1], BEFORE[3]], places), after)
    assert changed.before.names == changed.after.names == ["r0_c0", "r0_c24"]
    assert changed.changes.appeared[:, 2].tolist() == [0.5625, 0.765625]
    with pytest.raises(ValueError, match=r"no window could be used at both dates: 1 could in .* and 1 others in"):
        compared(cells(BEFORE[:1], places[:1]), cells(AFTER[:1], places[1:2]))


def test_the_columns_have_all_probabilities_and_the_tags_of_the_alerts():
    columns = change_columns(compared(), SPACE, 0.5)
    assert list(columns)[:3] == ["window", "appeared", "vanished"]
    assert columns["appeared"].tolist() == ["road", "road", "road"]
    assert columns["vanished"].tolist() == ["water", "", ""]
    assert columns["appeared_road"].tolist() == [0.5625, np.float32(1 - 2e-6), 0.765625]
    assert columns["vanished_water"].tolist() == [0.65625, 0.25, 0.25]
    assert columns["valid"].tolist() == [0.75, 0.75, 0.75]
    assert columns["cloud_before"].tolist() == [0.25, 0.5, 0]

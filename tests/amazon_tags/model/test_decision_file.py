import json

import numpy as np
import pytest

from amazon_tags.model import decision_file
from amazon_tags.tables import labels
from ensemble.decisions import calibrate
from ensemble.decisions.decision import DECODERS, Decision, decide_tags, fit_decision, flat_decision


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    scores = rng.beta(0.4, 1, (400, 17)).astype(np.float32)
    return scores, rng.random((400, 17)) < scores


def made(scored, decoder, name):
    scores, truth = scored
    start = flat_decision(17, rules=decision_file.rules(labels.PLANET))
    calibration = calibrate.fit(name, scores, truth, start.rules.groups)
    fitted = fit_decision(decoder, calibration, scores, truth, start)
    floors = fitted.floors.copy()
    floors[4] = 0.9
    return Decision(
        fitted.calibration, fitted.decoder, fitted.thresholds, floors, fitted.rules, 2.0 if decoder == "flat" else 1.5
    )


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", calibrate.CALIBRATIONS)
def test_what_is_written_reads_back_to_the_same_tags(scored, decoder, name, tmp_path):
    first = made(scored, decoder, name)
    decision_file.write(tmp_path / "decision.json", labels.PLANET, first)
    space, second = decision_file.read(tmp_path / "decision.json")
    assert space == labels.PLANET
    assert second.rules == first.rules
    np.testing.assert_array_equal(decide_tags(second, scored[0]), decide_tags(first, scored[0]))
    calibrated = [calibrate.apply(entry.calibration, scored[0]) for entry in (first, second)]
    np.testing.assert_array_equal(*calibrated)


def test_the_rules_of_planet_are_its_weather_and_cloudy():
    rules = decision_file.rules(labels.PLANET)
    assert [labels.PLANET.names[label] for label in rules.groups[0]] == ["clear", "partly_cloudy", "cloudy", "haze"]
    assert [labels.PLANET.names[label] for label in rules.alone] == ["cloudy"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"beta": 0},
        {"beta": "x"},
        {"decoder": "guess"},
        {"cuts": {}},
        {"cuts": None},
        {"cuts": dict.fromkeys(labels.PLANET.names, float("nan"))},
        {"floors": {"volcano": 1}},
        {"labels": {"labels": ["a"]}},
        {"calibration": {"kind": "none"}},
        {"calibration": []},
    ],
)
def test_what_is_no_decision_is_refused(scored, change, tmp_path):
    path = tmp_path / "decision.json"
    values = decision_file.to_json(labels.PLANET, made(scored, "cuts", "isotonic"))
    path.write_text(json.dumps({**values, **change}))
    with pytest.raises(ValueError, match=r"decision\.json is not a decision .*; create one with amazon_tags tune"):
        decision_file.read(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff"])
def test_a_file_that_is_none_is_refused(content, tmp_path):
    path = tmp_path / "decision.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="create one with amazon_tags tune"):
        decision_file.read(path)


@pytest.mark.parametrize("knots", [[[0.1, 0.2], [0.1]], [[0.2, 0.1], [0.1, 0.2]], [[], []]])
def test_knots_that_are_no_curve_are_refused(scored, knots):
    values = decision_file.to_json(labels.PLANET, made(scored, "flat", "isotonic"))
    values["calibration"]["knots"]["water"] = knots
    with pytest.raises(ValueError, match="not a decision"):
        decision_file.from_json(values)

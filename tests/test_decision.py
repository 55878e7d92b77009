import json

import numpy as np
import pytest

from amazon_tags import decision
from amazon_tags.labels import PLANET
from ensemble import calibrate, decoders


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    scores = rng.beta(0.4, 1, (400, 17)).astype(np.float32)
    return scores, rng.random((400, 17)) < scores


def made(scored, decoder, name):
    scores, truth = scored
    start = decoders.plain(17, rules=decision.rules(PLANET))
    calibration = calibrate.fit(name, scores, truth, start.rules.groups)
    fitted = decoders.fit(decoder, calibration, scores, truth, start)
    floors = fitted.floors.copy()
    floors[4] = 0.9
    return decoders.Decision(
        fitted.calibration, fitted.decoder, fitted.cuts, floors, fitted.rules, 2.0 if decoder == "flat" else 1.5
    )


@pytest.mark.parametrize("decoder", decoders.DECODERS)
@pytest.mark.parametrize("name", calibrate.CALIBRATIONS)
def test_what_is_written_reads_back_to_the_same_tags(scored, decoder, name, tmp_path):
    first = made(scored, decoder, name)
    decision.write(tmp_path / "decision.json", PLANET, first)
    space, second = decision.read(tmp_path / "decision.json")
    assert space == PLANET
    assert second.rules == first.rules
    np.testing.assert_array_equal(decoders.tags(second, scored[0]), decoders.tags(first, scored[0]))
    calibrated = [calibrate.apply(entry.calibration, scored[0]) for entry in (first, second)]
    np.testing.assert_array_equal(*calibrated)


def test_the_rules_of_planet_are_its_weather_and_cloudy():
    rules = decision.rules(PLANET)
    assert [PLANET.names[label] for label in rules.groups[0]] == ["clear", "partly_cloudy", "cloudy", "haze"]
    assert [PLANET.names[label] for label in rules.alone] == ["cloudy"]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"beta": 0},
        {"beta": "x"},
        {"decoder": "guess"},
        {"cuts": {}},
        {"cuts": None},
        {"cuts": dict.fromkeys(PLANET.names, float("nan"))},
        {"floors": {"volcano": 1}},
        {"labels": {"labels": ["a"]}},
        {"calibration": {"kind": "none"}},
        {"calibration": []},
    ],
)
def test_what_is_no_decision_is_refused(scored, change, tmp_path):
    path = tmp_path / "decision.json"
    values = decision.to_json(PLANET, made(scored, "cuts", "isotonic"))
    path.write_text(json.dumps({**values, **change}))
    with pytest.raises(ValueError, match=r"decision\.json: no decision: .*; make one by amazon_tags tune"):
        decision.read(path)


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff"])
def test_a_file_that_is_none_is_refused(content, tmp_path):
    path = tmp_path / "decision.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="make one by amazon_tags tune"):
        decision.read(path)


@pytest.mark.parametrize("knots", [[[0.1, 0.2], [0.1]], [[0.2, 0.1], [0.1, 0.2]], [[], []]])
def test_knots_that_are_no_curve_are_refused(scored, knots):
    values = decision.to_json(PLANET, made(scored, "flat", "isotonic"))
    values["calibration"]["knots"]["water"] = knots
    with pytest.raises(ValueError, match="no decision"):
        decision.from_json(values)

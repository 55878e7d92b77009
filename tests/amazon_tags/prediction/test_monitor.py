"""The monitor of predict, its log, and drift."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from amazon_tags.model import bundle, training_record
from amazon_tags.prediction.drift import DriftLimits, drift_text, find_drift
from amazon_tags.prediction.monitor import (
    MAX_SAMPLED_CHIPS,
    MonitorLine,
    RunStatistics,
    monitor_line,
    parse_line,
    watch_run,
)
from amazon_tags.prediction.predict import TaggedChips, predict_chips
from features.images import chips, listing
from tests import world as worlds


@pytest.fixture(scope="module")
def opened(model):
    return bundle.load(model)


def line_of(paths, opened, model):
    statistics = RunStatistics()
    for _ in watch_run(predict_chips(paths, opened), statistics):
        pass
    return monitor_line(statistics, opened, training_record.read_required(model))


def test_the_training_chips_have_not_moved_from_themselves(world, opened, model):
    paths = listing.chips([world.train_jpg])
    line = line_of(paths, opened, model)
    tags = np.concatenate([part.tags for part in predict_chips(paths, opened)])
    assert line.chips == len(paths)
    assert line.rates == pytest.approx(dict(zip(opened.space.names, tags.mean(axis=0), strict=True)))
    assert max(line.band_shifts.values()) < 1e-5
    assert 0 <= line.discrepancy < 1
    assert 0 < line.p <= 1
    assert 0 < line.expected_f <= 1
    assert parse_line(json.dumps(line.to_json(), allow_nan=False).encode()) == line


def test_the_json_of_a_line_has_the_keys_of_the_log():
    bands = {"red mean": 1.5}
    line = MonitorLine("now", "abc", 3, 4, 0.5, {"road": 0.1}, 7.5, bands, bands, {"road": 0.2}, bands, 0.3, 0.4)
    expected = {
        "when": "now",
        "model": "abc",
        "chips": 3,
        "training_chips": 4,
        "expected_f": 0.5,
        "rates": {"road": 0.1},
        "brightness": 7.5,
        "looks": bands,
        "spreads": bands,
        "stability": {"road": 0.2},
        "colours": bands,
        "discrepancy": 0.3,
        "p": 0.4,
    }
    assert json.dumps(line.to_json()) == json.dumps(expected)  # the order of the keys too
    assert MonitorLine.from_json({**expected, "other": 1}) == line
    assert MonitorLine("now", "abc", 0, 4).to_json() == {"when": "now", "model": "abc", "chips": 0, "training_chips": 4}


def test_chips_with_an_error_are_not_counted(world, opened, model, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    good = list(listing.chips([world.train_jpg]))
    statistics = RunStatistics()
    for _ in watch_run(predict_chips([*good[:3], tmp_path / "bad.jpg", *good[3:]], opened, tolerant=True), statistics):
        pass
    line = monitor_line(statistics, opened, training_record.read_required(model))
    expected = line_of(good, opened, model)
    assert (line.chips, line.rates, line.discrepancy) == (expected.chips, expected.rates, expected.discrepancy)
    assert line.band_means == pytest.approx(expected.band_means, rel=1e-12)  # summed in other parts
    assert line.expected_f == pytest.approx(expected.expected_f, rel=1e-12)


def test_band_statistics_are_those_of_the_chips(world, opened, model):
    paths = listing.chips([world.train_jpg])
    pixels = np.stack([chips.load(path, opened.spec) for path in paths])[:, ::8, ::8].astype(float)
    line = line_of(paths, opened, model)
    assert line.brightness == pytest.approx(pixels.mean(), rel=1e-5)
    assert line.band_means["green mean"] == pytest.approx(pixels[..., 1].mean(), rel=1e-5)
    assert line.band_means["blue deviation"] == pytest.approx(pixels[..., 2].std(axis=(1, 2)).mean(), rel=1e-5)


def test_memory_does_not_grow_with_the_chips(opened):
    statistics, rng = RunStatistics(), np.random.default_rng(0)
    labels, expected, names = len(opened.space.names), [], [""] * 16
    for _ in range(500):
        scores = rng.random((16, labels), np.float32)
        tags, band_statistics = scores > 0.5, rng.random((16, 6), np.float32)
        statistics.add(TaggedChips(names, names, scores, tags, np.ones(16), [None] * 16, band_statistics, [()] * 16))
        expected.append(scores)
    sample = np.stack([scores for scores, _ in statistics.sample])
    assert MAX_SAMPLED_CHIPS / 2 <= len(sample) <= MAX_SAMPLED_CHIPS
    np.testing.assert_array_equal(sample, np.concatenate(expected)[:: statistics.stride])
    assert statistics.chips == 8000


@pytest.mark.slow
def test_predict_appends_a_line_and_drift_reads_it(world, model, run, tmp_path):
    log = tmp_path / "monitor.jsonl"
    plain = run("predict", world.train_jpg, "--model", model).stdout
    for _ in range(2):
        result = run("predict", world.train_jpg, "--model", model, "--monitor", log)
        assert (result.returncode, result.stdout) == (0, plain), result.stderr
    assert len(log.read_text().splitlines()) == 2
    report = find_drift(log, DriftLimits(chips=10, discrepancy=9))  # a toy's folds and its whole differ
    assert report.moved == []
    assert report.earlier_expected_f == [report.line.expected_f]
    assert report.to_json()["run"] == json.loads(log.read_text().splitlines()[-1])
    result = run("drift", log)
    assert result.returncode == 0
    assert "too few chips to compare: 48 in the run, 50 needed; 48 training chips, 30 needed" in result.stdout


@pytest.mark.slow
def test_what_moved_is_named_and_ends_with_10(world, model, run, tmp_path):
    folder, log = tmp_path / "dark", tmp_path / "monitor.jsonl"
    folder.mkdir()
    for number in range(60):
        source = listing.chips([world.train_jpg])[number % 48]
        with Image.open(source) as image:
            image.convert("RGB").point(lambda value: value // 4).save(folder / f"dark_{number}.jpg")
    assert run("predict", folder, "--model", model, "--monitor", log).returncode == 0
    result = run("drift", log)
    assert result.returncode == 10
    assert "the green mean moved to" in result.stdout
    assert json.loads(run("drift", log, "--json").stdout)["moved"]
    loose = run("drift", log, "--colours", "99", "--stability", "99", "--discrepancy", "9")
    assert (loose.returncode, "nothing moved" in loose.stdout) == (0, True)


def test_a_model_of_few_training_chips_is_not_compared(tmp_path):
    log = tmp_path / "monitor.jsonl"
    moved = {"rates": {"road": 0.9}, "stability": {"road": 2.0}, "colours": {}, "looks": {}, "discrepancy": 0, "p": 1}
    line = {"when": "now", "model": "m", "chips": 900, "expected_f": 0.8, **moved}
    for training_chips, enough in ((29, False), (30, True)):
        log.write_text(json.dumps({**line, "training_chips": training_chips}) + "\n")
        report = find_drift(log, DriftLimits())
        assert (report.enough, bool(report.moved)) == (enough, enough)
        assert list(report.to_json()) == ["run", "enough", "moved", "before", "damaged"]


def test_a_line_that_a_crash_left_is_counted_and_left_out(tmp_path):
    log = tmp_path / "monitor.jsonl"
    line = json.dumps({"when": "now", "model": "m", "chips": 3, "expected_f": 0.75})
    log.write_bytes(f'{line}\n{{"when": "no\xff\n{line}\n'.encode("latin-1"))
    report = find_drift(log, DriftLimits())
    assert (report.earlier_expected_f, report.damaged) == ([0.75], 1)
    assert "1 earlier lines are damaged and were left out\n" in drift_text(log, report, DriftLimits())


def test_a_limit_that_is_no_number_is_refused(tmp_path):
    for limit in (-1.0, float("nan")):
        (tmp_path / "log").write_text("{}\n")
        with pytest.raises(ValueError, match=f"the limit of colours is {limit}, but must be 0 or more"):
            find_drift(tmp_path / "log", DriftLimits(colours=limit))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]\n",
        "{}\n",
        "no json\n",
        '{"chips": NaN}\n',
        '{"chips": 100, "stability": 3}\n',
        '{"chips": 3}\n',
        '{"chips": 1e400}\n',
        '{"chips": "100"}\n',
        '{"chips": true}\n',
        '{"chips": -1}\n',
        '{"chips": 3, "when": "now", "model": "m"}\ntorn\n',
    ],
)
def test_a_file_that_is_not_a_log_is_refused(tmp_path, text):
    log = tmp_path / "monitor.jsonl"
    log.write_text(text)
    with pytest.raises(ValueError, match=r"monitor\.jsonl is (empty|not a log)"):
        find_drift(log, DriftLimits())


@pytest.mark.slow
def test_a_checkpoint_does_not_change_the_monitors_line(world, model, run, tmp_path):
    chips, log = tmp_path / "chips", tmp_path / "monitor.jsonl"
    shutil.copytree(world.test_jpg, chips)
    (chips / "broken.jpg").write_bytes(b"no chip")
    arguments = ("predict", chips, "--model", model, "--monitor", log, "--on-error", "skip", "--errors", tmp_path / "e")
    for checkpoint in ((), ("--journal", tmp_path / "j"), ("--journal", tmp_path / "j")):  # none, written, read
        result = run(*arguments, *checkpoint)
        assert result.returncode == 3, result.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["chips"] == worlds.TEST
    for line in lines[1:]:
        for key in ("looks", "rates", "expected_f", "discrepancy", "stability"):
            assert line[key] == pytest.approx(lines[0][key]), key


def test_a_bundle_holds_a_record_of_its_training_chips(world, model):
    record = training_record.read(model)
    paths = listing.chips([world.train_jpg])
    assert record is not None
    assert len(record.hashes) == len(set(record.hashes)) == len(paths)
    again = training_record.pack(record)
    assert bundle.read_file(model, training_record.FILE) == again


@pytest.mark.slow
def test_a_log_that_cannot_be_written_is_refused_before_the_work(world, model, run, tmp_path):
    for log in (tmp_path, tmp_path / "none" / "log", tmp_path / "tags.csv"):
        result = run("predict", world.test_jpg, "--model", model, "--monitor", log, "-o", tmp_path / "tags.csv")
        assert result.returncode in (1, 74)
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "tags.csv").exists()

"""The monitor of predict, its log, and drift."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from amazon_tags.model import bundle, training_record
from amazon_tags.prediction.drift import DriftLimits, drift_text, find_drift
from amazon_tags.prediction.monitor import MAX_SAMPLED_CHIPS, RunStatistics, monitor_line, watch_run
from amazon_tags.prediction.predict import TaggedChips, predict_chips
from features.images import chips, listing
from tests import world as worlds


@pytest.fixture(scope="module")
def opened(model):
    return bundle.load(model)


def entry_of(paths, opened, model):
    seen = RunStatistics()
    for _ in watch_run(predict_chips(paths, opened), seen):
        pass
    return monitor_line(seen, opened, training_record.read_required(model))


def test_the_training_chips_have_not_moved_from_themselves(world, opened, model):
    paths = listing.chips([world.train_jpg])
    line = entry_of(paths, opened, model)
    tags = np.concatenate([part.tags for part in predict_chips(paths, opened)])
    assert line["chips"] == len(paths)
    assert line["rates"] == pytest.approx(dict(zip(opened.space.names, tags.mean(axis=0), strict=True)))
    assert max(line["colours"].values()) < 1e-5
    assert 0 <= line["discrepancy"] < 1
    assert 0 < line["p"] <= 1
    assert 0 < line["expected_f"] <= 1
    assert json.loads(json.dumps(line, allow_nan=False)) == line


def test_the_looks_are_those_of_the_chips(world, opened, model):
    paths = listing.chips([world.train_jpg])
    pixels = np.stack([chips.load(path, opened.spec) for path in paths])[:, ::8, ::8].astype(float)
    line = entry_of(paths, opened, model)
    assert line["brightness"] == pytest.approx(pixels.mean(), rel=1e-5)
    assert line["looks"]["green mean"] == pytest.approx(pixels[..., 1].mean(), rel=1e-5)
    assert line["looks"]["blue deviation"] == pytest.approx(pixels[..., 2].std(axis=(1, 2)).mean(), rel=1e-5)


def test_memory_does_not_grow_with_the_chips(opened):
    seen, rng = RunStatistics(), np.random.default_rng(0)
    labels, expected, names = len(opened.space.names), [], [""] * 16
    for _ in range(500):
        scores = rng.random((16, labels), np.float32)
        tags, band_statistics = scores > 0.5, rng.random((16, 6), np.float32)
        seen.add(TaggedChips(names, names, scores, tags, np.ones(16), [None] * 16, band_statistics))
        expected.append(scores)
    kept = np.stack([scores for scores, _ in seen.sample])
    assert MAX_SAMPLED_CHIPS / 2 <= len(kept) <= MAX_SAMPLED_CHIPS
    np.testing.assert_array_equal(kept, np.concatenate(expected)[:: seen.stride])
    assert seen.chips == 8000


def test_predict_appends_a_line_and_drift_reads_it(world, model, run, tmp_path):
    log = tmp_path / "monitor.jsonl"
    plain = run("predict", world.train_jpg, "--model", model).stdout
    for _ in range(2):
        done = run("predict", world.train_jpg, "--model", model, "--monitor", log)
        assert (done.returncode, done.stdout) == (0, plain), done.stderr
    assert len(log.read_text().splitlines()) == 2
    told = find_drift(log, DriftLimits(chips=10, discrepancy=9))  # a toy's folds and its whole differ
    assert told["moved"] == []
    assert told["before"] == [told["run"]["expected_f"]]
    done = run("drift", log)
    assert done.returncode == 0
    assert "too few to say more: 48 chips seen, 50 needed; 48 learnt from, 30 needed" in done.stdout


def test_what_moved_is_named_and_ends_with_10(world, model, run, tmp_path):
    folder, log = tmp_path / "dark", tmp_path / "monitor.jsonl"
    folder.mkdir()
    for number in range(60):
        source = listing.chips([world.train_jpg])[number % 48]
        with Image.open(source) as image:
            image.convert("RGB").point(lambda value: value // 4).save(folder / f"dark_{number}.jpg")
    assert run("predict", folder, "--model", model, "--monitor", log).returncode == 0
    done = run("drift", log)
    assert done.returncode == 10
    assert "the green mean moved to" in done.stdout
    assert json.loads(run("drift", log, "--json").stdout)["moved"]
    loose = run("drift", log, "--colours", "99", "--stability", "99", "--discrepancy", "9")
    assert (loose.returncode, "nothing moved" in loose.stdout) == (0, True)


def test_of_few_training_chips_nothing_is_said(tmp_path):
    log = tmp_path / "monitor.jsonl"
    moved = {"rates": {"road": 0.9}, "stability": {"road": 2.0}, "colours": {}, "looks": {}, "discrepancy": 0, "p": 1}
    line = {"when": "now", "model": "m", "chips": 900, "expected_f": 0.8, **moved}
    for learnt, enough in ((29, False), (30, True)):
        log.write_text(json.dumps({**line, "training_chips": learnt}) + "\n")
        told = find_drift(log, DriftLimits())
        assert (told["enough"], bool(told["moved"])) == (enough, enough)


def test_a_line_that_a_crash_left_spoils_no_other(tmp_path):
    log = tmp_path / "monitor.jsonl"
    line = json.dumps({"when": "now", "model": "m", "chips": 3, "expected_f": 0.75})
    log.write_bytes(f'{line}\n{{"when": "no\xff\n{line}\n'.encode("latin-1"))
    told = find_drift(log, DriftLimits())
    assert (told["before"], told["damaged"]) == ([0.75], 1)
    assert "1 earlier lines are damaged, and left out\n" in drift_text(log, told, DriftLimits())


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
def test_what_is_no_log_is_refused(tmp_path, text):
    log = tmp_path / "monitor.jsonl"
    log.write_text(text)
    with pytest.raises(ValueError, match=r"monitor\.jsonl is (empty|no log)"):
        find_drift(log, DriftLimits())


def test_a_journal_does_not_change_what_the_monitor_saw(world, model, run, tmp_path):
    chips, log = tmp_path / "chips", tmp_path / "monitor.jsonl"
    shutil.copytree(world.test_jpg, chips)
    (chips / "broken.jpg").write_bytes(b"no chip")
    arguments = ("predict", chips, "--model", model, "--monitor", log, "--on-error", "skip", "--errors", tmp_path / "e")
    for journal in ((), ("--journal", tmp_path / "j"), ("--journal", tmp_path / "j")):  # none, written, read
        done = run(*arguments, *journal)
        assert done.returncode == 3, done.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["chips"] == worlds.TEST
    for line in lines[1:]:
        for key in ("looks", "rates", "expected_f", "discrepancy", "stability"):
            assert line[key] == pytest.approx(lines[0][key]), key


def test_a_bundle_holds_what_it_learnt_from(world, model):
    held = training_record.read(model)
    paths = listing.chips([world.train_jpg])
    assert held is not None
    assert len(held.hashes) == len(set(held.hashes)) == len(paths)
    again = training_record.pack(held)
    assert bundle.read_file(model, training_record.FILE) == again


def test_a_place_for_the_log_is_tried_before_the_work(world, model, run, tmp_path):
    for log in (tmp_path, tmp_path / "none" / "log", tmp_path / "tags.csv"):
        done = run("predict", world.test_jpg, "--model", model, "--monitor", log, "-o", tmp_path / "tags.csv")
        assert done.returncode in (1, 74)
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "tags.csv").exists()

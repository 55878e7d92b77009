"""`amazon_tags tune` and `decide`: score tables in, decisions and submissions out."""

import csv
import json

import numpy as np
import pytest

from amazon_tags.evaluation.tune import TuneRequest, tune
from amazon_tags.evaluation.tuning_page import tuning_page
from amazon_tags.evaluation.tuning_report import (
    CalibrationReport,
    CandidateReport,
    LabelTuneReport,
    RecallReport,
    TuneReport,
    promise_lines,
    tune_text,
)
from amazon_tags.model import decision_file
from amazon_tags.model.measured_scores import LabelReport
from amazon_tags.prediction.decide import decide_scores
from amazon_tags.tables import label_tables, labels, parquet, score_tables, truth_tables
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions.decision import decide_tags
from ensemble.metrics import score
from tests.browser import accessibility_faults, needs_chromium, open_page


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1, (300, 4))
    weather = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    scores = rng.beta(0.3, 1, (300, 17))
    truth = rng.random((300, 17)) < scores
    columns = [labels.PLANET.names.index(name) for name in labels.PLANET.groups[0]]
    scores[:, columns] = weather
    truth[:, columns] = np.eye(4, dtype=bool)[
        (rng.random((300, 1)) > np.cumsum(weather, axis=1)).sum(axis=1).clip(0, 3)
    ]
    cloudy = labels.PLANET.names.index("cloudy")
    truth[truth[:, cloudy]] = np.arange(17) == cloudy
    return [f"chip_{number}" for number in range(300)], scores.astype(np.float32), truth


@pytest.fixture(scope="module")
def folder(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune")
    ids, scores, truth = drawn
    for suffix in ("csv", "parquet"):
        score_tables.write_scores(folder / f"scores.{suffix}", ids, scores, labels.PLANET)
    with (folder / "labels.csv").open("w", newline="") as stream:
        label_tables.write_tags(stream, ids[::-1], truth[::-1], labels.PLANET)
    with (folder / "one_hot.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("image_name", *labels.PLANET.names[::-1]))
        rows.writerows((name, *row[::-1].astype(int)) for name, row in zip(ids, truth, strict=True))
    return folder


@pytest.fixture(scope="module")
def outcome(folder):
    return tune(folder / "scores.csv", folder / "labels.csv")


def test_the_tables_are_joined_by_name(drawn, outcome):
    _, scores, truth = drawn
    np.testing.assert_array_equal(outcome.problem.scores, scores)
    np.testing.assert_array_equal(outcome.problem.truth, truth)


@pytest.mark.slow
def test_parquet_and_one_hot_tables_give_the_same_report(folder, outcome):
    again = tune(folder / "scores.parquet", folder / "one_hot.csv")
    assert again.report == outcome.report


def test_the_report_has_the_f_of_every_candidate(drawn, outcome):
    _, scores, truth = drawn
    report = outcome.report
    assert report.chips == 300
    assert report.candidates["flat"].f == pytest.approx(score.f2(truth, scores >= np.float32(0.2)))
    assert set(report.candidates) == {"flat", "flat, calibrated", "cuts", "expected", "ruled", "constant"}
    assert set(report.labels) == set(labels.PLANET.names)
    assert tune_text(report).splitlines()[-1] == report.verdict
    values = report.to_json()
    assert json.loads(json.dumps(values)) == values


def test_the_json_of_a_report_has_these_keys():
    report = TuneReport(
        chips=10,
        beta=2.0,
        chosen="flat",
        verdict="keep it",
        candidates={"flat": CandidateReport(0.5, 0.0, (0.0, 0.0))},
        choice_within_folds=CandidateReport(0.4, -0.1, (-0.2, 0.0)),
        forecast=0.6,
        calibration=CalibrationReport("none", {"none": 0.3}),
        labels={"road": LabelTuneReport(LabelReport(0.1, 0.2, 0.3, (0.2, 0.4), 5), 0.7, (0.6, 0.8), (0.02, 0.01))},
        recalls=RecallReport({"road": 0.9}, {"road": 0.2}, {"road": 8}, 0.05, (0.04, 0.06)),
    )
    expected = {
        "chips": 10,
        "beta": 2.0,
        "chosen": "flat",
        "verdict": "keep it",
        "candidates": {"flat": {"f": 0.5, "gain": 0.0, "interval": [0.0, 0.0]}},
        "choice_within_folds": {"f": 0.4, "gain": -0.1, "interval": [-0.2, 0.0]},
        "forecast": 0.6,
        "calibration": {"kind": "none", "log_loss": {"none": 0.3}},
        "labels": {
            "road": {
                "precision": 0.1,
                "recall": 0.2,
                "f2": 0.3,
                "interval": [0.2, 0.4],
                "support": 5,
                "cut": 0.7,
                "cut_interval": [0.6, 0.8],
                "calibration_error": [0.02, 0.01],
            }
        },
        "recall_floors": {
            "asked": {"road": 0.9},
            "reached": {"road": 0.2},
            "promised": {"road": False},
            "carriers": {"road": 8},
            "carriers_needed": {"road": 9},
            "price": {"f": 0.05, "interval": [0.04, 0.06]},
        },
    }
    assert json.dumps(report.to_json()) == json.dumps(expected)  # the order of the keys too


def test_the_page_is_complete_in_itself(outcome):
    page = tuning_page(outcome)
    assert page.count("<svg") == 2 * 17
    assert outcome.report.verdict in page
    assert "src=" not in page
    assert "nan" not in page


@pytest.mark.slow
@needs_chromium
def test_the_page_shows_without_errors_and_to_screen_readers(outcome, tmp_path):
    (tmp_path / "tuning.html").write_text(tuning_page(outcome))
    with open_page(tmp_path / "tuning.html", width=390) as page:
        assert accessibility_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator(".threshold-mark").count() == 17


@pytest.mark.slow
def test_decide_gives_the_tags_of_the_decision_for_csv_and_parquet(folder, outcome, drawn, run, tmp_path):
    path = tmp_path / "decision.json"
    decision_file.write(path, outcome.space, outcome.result.decision)
    expected = decide_tags(outcome.result.decision, drawn[1])
    for suffix in ("csv", "parquet"):
        completed = run("decide", folder / f"scores.{suffix}", "--decision", path, "-o", tmp_path / "tags.csv")
        assert completed.returncode == 0, completed.stderr
        table = truth_tables.read_truth(tmp_path / "tags.csv", labels.PLANET)
        assert table.ids == drawn[0]
        np.testing.assert_array_equal(table.truth, expected)


def test_decide_reads_parquet_in_parts_and_notices_repeats_at_the_end(folder, outcome, drawn, monkeypatch, tmp_path):
    monkeypatch.setattr(parquet, "ROWS_PER_PART", 64)
    path = tmp_path / "decision.json"
    decision_file.write(path, outcome.space, outcome.result.decision)
    _, parts = decide_scores(folder / "scores.parquet", path)
    parts = list(parts)
    assert [len(part.ids) for part in parts] == [64, 64, 64, 64, 44]
    assert [name for part in parts for name in part.ids] == drawn[0]
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet as pq  # noqa: PLC0415

    whole = pq.read_table(folder / "scores.parquet")
    pq.write_table(pa.concat_tables([whole, whole.slice(3, 2)]), tmp_path / "repeated.parquet")
    with pytest.raises(ValueError, match="2 of 302 images are repeated"):
        list(decide_scores(tmp_path / "repeated.parquet", path)[1])


@pytest.mark.slow
def test_a_bundles_decision_decides_its_scores_as_predict_does(world, model, run, tmp_path):
    scores = tmp_path / "scores.parquet"
    predicted = run("predict", world.test_jpg, "--model", model, "--scores", scores)
    decided = run("decide", scores, "--decision", model / "decision.json")
    assert decided.stdout == predicted.stdout


@pytest.mark.slow
def test_chips_that_are_in_one_table_only_are_counted_and_left_out(folder, drawn, capsys, tmp_path):
    ids, _, truth = drawn
    with (tmp_path / "some.csv").open("w", newline="") as stream:
        label_tables.write_tags(stream, [*ids[:200], "other"], np.concatenate([truth[:200], truth[:1]]), labels.PLANET)
    outcome = tune(folder / "scores.csv", tmp_path / "some.csv")
    assert outcome.report.chips == 200
    messages = capsys.readouterr().err
    assert "100 of 300 chips of" in messages
    assert "(first: chip_200)" in messages
    assert "1 of 201 chips of" in messages
    (tmp_path / "none.csv").write_text("image_name,tags\nother,clear\n")
    with pytest.raises(ValueError, match="0 chips are in both"):
        tune(folder / "scores.csv", tmp_path / "none.csv")


@pytest.mark.slow
def test_a_recall_floor_is_reported_with_its_price(folder):
    request = TuneRequest(recalls={"water": 0.95})
    report = tune(folder / "scores.csv", folder / "labels.csv", request=request).report
    assert report.recalls is not None
    assert report.recalls.required == {"water": 0.95}
    assert report.recalls.reached["water"] > 0.8  # held out
    text = tune_text(report)
    assert "recall reached: water" in text
    assert "promised: a further chip with water" in text


def test_a_recall_that_too_few_chips_promise_is_said():
    recalls = RecallReport(
        required={"road": 0.9, "water": 0.9, "cloudy": 1.0},
        reached={},
        carriers={"road": 9, "water": 8, "cloudy": 500},
        price=0.0,
        price_interval=(0.0, 0.0),
    )
    road, water, cloudy = promise_lines(recalls)
    assert road.startswith(
        "promised: a further chip with road, drawn as these were, is tagged with a probability of at"
    )
    assert road.endswith("at least 0.9; that needs 9 chips with it, and 9 have it")
    assert water.startswith("not promised: a recall of 0.9 of water needs 9 chips with it, and 8 have it; label 1 more")
    assert water.endswith("or require at most 0.889")  # 8 of 9
    assert cloudy == "not promised: no number of chips is enough for a recall of 1 of cloudy"


@pytest.mark.slow
def test_other_labels_come_from_the_score_table(tmp_path, drawn):
    ids, scores, truth = drawn
    space = LabelSpace("other", ("sun", "tree", "field"))
    score_tables.write_scores(tmp_path / "scores.csv", ids, scores[:, 12:15], space)
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        label_tables.write_tags(stream, ids, truth[:, 12:15], space)
    outcome = tune(tmp_path / "scores.csv", tmp_path / "labels.csv", space="table")
    assert outcome.space.names == ("field", "sun", "tree")  # sorted, so that no order of columns counts


@pytest.mark.slow
def test_groups_must_name_every_chip(folder, drawn, tmp_path):
    rows = [f"{name},{place // 5}" for place, name in enumerate(drawn[0])]
    (tmp_path / "groups.csv").write_text("image_name,group\n" + "\n".join(rows))
    fold = tune(
        folder / "scores.csv", folder / "labels.csv", request=TuneRequest(groups=tmp_path / "groups.csv")
    ).result.fold
    assert all(len(set(fold[first : first + 5])) == 1 for first in range(0, 300, 5))
    (tmp_path / "groups.csv").write_text("image_name,group\n" + "\n".join(rows[1:]))
    with pytest.raises(ValueError, match=r"1 of 300 chips have no group .*first: chip_0"):
        tune(folder / "scores.csv", folder / "labels.csv", request=TuneRequest(groups=tmp_path / "groups.csv"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chip_3,0", "chip_3,nan", "not in \\[0, 1\\]|could not convert"),
        ("chip_3,0", "chip_3,7", "not in \\[0, 1\\]"),
        ("water", "watre", "did you mean"),
        (",water", "", "got 18 fields, needed 17"),
        ("chip_3,", "chip_4,", "1 images are repeated"),
    ],
)
def test_a_wrong_score_table_is_refused(folder, tmp_path, old, new, message):
    text = (folder / "scores.csv").read_text()
    assert old in text
    (tmp_path / "wrong.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        tune(tmp_path / "wrong.csv", folder / "labels.csv")


def test_a_one_hot_table_holds_zeros_and_ones(folder, tmp_path):
    lines = (folder / "one_hot.csv").read_text().splitlines()
    lines[2] = lines[2].replace(",0", ",2", 1)
    (tmp_path / "wrong.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"line 3: .* is '2' .*needed 0 or 1"):
        tune(folder / "scores.csv", tmp_path / "wrong.csv")


@pytest.mark.slow
@pytest.mark.parametrize("recall", ["water", "water>=2", "water>=x", "watre>=0.5"])
def test_a_recall_that_cannot_be_is_refused(folder, run, tmp_path, recall):
    completed = run("tune", folder / "scores.csv", folder / "labels.csv", "-o", tmp_path / "d.json", "--recall", recall)
    assert completed.returncode in (1, 2)
    assert "Traceback" not in completed.stderr
    assert not (tmp_path / "d.json").exists()


def test_a_recall_of_a_label_that_no_chip_carries_is_refused(folder, drawn, tmp_path):
    ids, _, truth = drawn
    truth = truth.copy()
    truth[:, labels.PLANET.names.index("road")] = False
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        label_tables.write_tags(stream, ids, truth, labels.PLANET)
    with pytest.raises(ValueError, match="road, which none of the 300 chips carries"):
        tune(folder / "scores.csv", tmp_path / "labels.csv", request=TuneRequest(recalls={"road": 0.5}))


@pytest.mark.slow
@pytest.mark.real
def test_on_real_scores_the_flat_threshold_is_kept(real):
    tables = real / "predictions"
    report = tune(tables / "resnet_valid_scores.csv", tables / "resnet_valid_labels.csv").report
    assert report.chosen == "flat"
    assert abs(report.candidates["cuts"].gain) < 0.002
    assert abs(report.forecast - report.candidates["flat"].f) < 0.01

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, fbeta_score

from amazon_tags.evaluation.evaluate import evaluate_tables, evaluation_text, measure_tags
from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.labels import LabelSpace

NAMES = labels.PLANET.names


def table(path, ids, tags):
    with path.open("w", newline="") as stream:
        label_tables.write_tags(stream, ids, tags, labels.PLANET)
    return path


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.random((60, 17)) < 0.3
    tags = truth ^ (rng.random((60, 17)) < 0.1)
    return truth, tags, tmp_path


def test_scores_are_those_of_sklearn(pair):
    truth, tags, folder = pair
    ids = [f"chip_{number}" for number in range(60)]
    order = np.random.default_rng(1).permutation(60)
    predicted = table(folder / "predicted.csv", [ids[place] for place in order], tags[order])
    evaluation = evaluate_tables(predicted, table(folder / "true.csv", ids, truth))
    assert evaluation.f2 == pytest.approx(fbeta_score(truth, tags, beta=2, average="samples", zero_division=1))
    assert evaluation.micro_f1 == pytest.approx(f1_score(truth, tags, average="micro"))
    low, high = evaluation.interval
    assert low < evaluation.f2 < high
    each = fbeta_score(truth, tags, beta=2, average=None)
    for name, expected in zip(NAMES, each, strict=True):
        assert evaluation.labels[name].f2 == pytest.approx(expected)
        assert f"{name} " in evaluation_text(evaluation)


def test_chips_without_truth_are_reported_and_left_out_and_missing_ones_refused(pair, capsys):
    truth, tags, folder = pair
    ids = [f"chip_{number}" for number in range(60)]
    predicted = table(folder / "predicted.csv", ids, tags)
    fewer = table(folder / "true.csv", ids[:40], truth[:40])
    assert evaluate_tables(predicted, fewer).chips == 40
    assert "20 chips have no row" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"20 of 60 chips of .*csv are missing from .*csv \(first"):
        evaluate_tables(fewer, predicted)


def test_perfect_tags_have_an_f2_of_one(pair):
    truth, _, folder = pair
    path = table(folder / "true.csv", [f"chip_{number}" for number in range(60)], truth | np.eye(17, dtype=bool)[0])
    assert evaluate_tables(path, path).f2 == 1


def test_right_empty_answers_count_one(tmp_path):
    path = tmp_path / "true.csv"
    path.write_text("image_name,tags\na,\nb,\nc,water\n")
    assert evaluate_tables(path, path, space="table").f2 == 1


def test_a_table_against_itself_has_a_macro_f1_of_one_and_dashes_for_absent_labels():
    truth = np.array([[True, False], [True, False]])
    evaluation = measure_tags(truth, truth, LabelSpace("sky", ("sun", "haze")))
    assert (evaluation.micro_f1, evaluation.macro_f1) == (1, 1)
    assert evaluation_text(evaluation).splitlines()[-1].split() == ["haze", "0", "-", "-", "-", "-"]
    absent = {"precision": None, "recall": None, "f2": None, "interval": None, "support": 0}
    assert evaluation.to_json()["labels"]["haze"] == absent


def test_a_label_on_no_chip_but_in_an_answer_counts_as_zero():
    truth = np.array([[True, False], [True, False]])
    evaluation = measure_tags(truth, truth | np.array([False, True]), LabelSpace("sky", ("sun", "haze")))
    assert evaluation.macro_f1 == 0.5
    assert evaluation.labels["haze"].precision == 0


def test_the_json_of_an_evaluation_has_these_values():
    truth, tags = np.array([[True, True], [True, False]]), np.array([[True, False], [True, False]])
    evaluation = measure_tags(truth, tags, LabelSpace("sky", ("sun", "haze")))
    assert json.dumps(evaluation.to_json()) == json.dumps(
        {
            "f2": 7 / 9,
            "interval": [5 / 9, 1.0],
            "chips": 2,
            "micro_f1": 0.8,
            "macro_f1": 0.5,
            "labels": {
                "sun": {"precision": 1.0, "recall": 1.0, "f2": 1.0, "interval": [1.0, 1.0], "support": 2},
                "haze": {"precision": 0.0, "recall": 0.0, "f2": 0.0, "interval": [0.0, 0.0], "support": 1},
            },
        }
    )

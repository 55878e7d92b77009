import numpy as np
import pytest
from sklearn.metrics import f1_score, fbeta_score

from amazon_tags.evaluation.evaluate import evaluate_tables, evaluation_text
from amazon_tags.tables import label_tables, labels

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


def test_it_says_what_sklearn_says(pair):
    truth, tags, folder = pair
    ids = [f"chip_{number}" for number in range(60)]
    order = np.random.default_rng(1).permutation(60)
    given = table(folder / "given.csv", [ids[place] for place in order], tags[order])
    measured = evaluate_tables(given, table(folder / "true.csv", ids, truth))
    assert measured["f2"] == pytest.approx(fbeta_score(truth, tags, beta=2, average="samples", zero_division=0))
    assert measured["micro_f1"] == pytest.approx(f1_score(truth, tags, average="micro"))
    low, high = measured["interval"]
    assert low < measured["f2"] < high
    each = fbeta_score(truth, tags, beta=2, average=None)
    for name, expected in zip(NAMES, each, strict=True):
        assert measured["labels"][name]["f2"] == pytest.approx(expected)
        assert f"{name} " in evaluation_text(measured)


def test_chips_without_truth_are_left_out_with_a_word_and_missing_ones_refused(pair, capsys):
    truth, tags, folder = pair
    ids = [f"chip_{number}" for number in range(60)]
    given = table(folder / "given.csv", ids, tags)
    fewer = table(folder / "true.csv", ids[:40], truth[:40])
    assert evaluate_tables(given, fewer)["chips"] == 40
    assert "20 chips have no row" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"20 of 60 chips are missing"):
        evaluate_tables(fewer, given)


def test_a_perfect_answer_is_worth_one(pair):
    truth, _, folder = pair
    path = table(folder / "true.csv", [f"chip_{number}" for number in range(60)], truth | np.eye(17, dtype=bool)[0])
    assert evaluate_tables(path, path)["f2"] == 1

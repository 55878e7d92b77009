import csv

import numpy as np
import pytest
from sklearn.metrics import f1_score, fbeta_score, label_ranking_average_precision_score, precision_score, recall_score

from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, fit_thresholds
from ensemble.metrics import score


def two(seed, density, chips=40, labels=17):
    return np.random.default_rng(seed).random((2, chips, labels)) < density


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("density", [0.02, 0.2, 0.9])
@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_f_beta_agrees_with_sklearn(seed, density, beta):
    truth, tags = two(seed, density)
    expected = fbeta_score(truth, tags, beta=beta, average="samples", zero_division=1)
    assert score.f_beta(truth, tags, beta=beta) == pytest.approx(expected)
    assert score.per_chip(truth, tags, beta=beta).mean() == pytest.approx(expected)
    if beta == 2:
        assert score.f2(truth, tags) == pytest.approx(expected)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.9])
def test_per_label_numbers_agree_with_sklearn(density):
    truth, tags = two(1, density)
    found = score.per_label(truth, tags)
    kept = {"average": None, "zero_division": 0}
    np.testing.assert_allclose(found.precision, precision_score(truth, tags, **kept))
    np.testing.assert_allclose(found.recall, recall_score(truth, tags, **kept))
    np.testing.assert_allclose(found.f2, fbeta_score(truth, tags, beta=2, **kept))
    np.testing.assert_array_equal(found.support, truth.sum(axis=0))
    np.testing.assert_array_equal(found.predicted, tags.sum(axis=0))


@pytest.mark.parametrize("average", ["micro", "macro"])
@pytest.mark.parametrize("density", [0.02, 0.2, 0.9])
def test_f1_agrees_with_sklearn(average, density):
    truth, tags = two(2, density)
    # zero_division=np.nan leaves out labels of no chip and no answer.
    expected = f1_score(truth, tags, average=average, zero_division=np.nan)
    assert score.f1(truth, tags, average) == pytest.approx(expected)


def test_an_unknown_average_is_refused():
    with pytest.raises(ValueError, match="'samples'; pass 'micro' or 'macro'"):
        score.f1(*two(0, 0.2), "samples")


def test_nothing_against_nothing_is_right():
    empty = np.zeros((3, 2), bool)
    assert score.per_chip(empty, empty).tolist() == [1, 1, 1]
    assert score.f1(empty, empty, "micro") == score.f1(empty, empty, "macro") == 1
    assert score.per_label(empty, empty).f2.tolist() == [0, 0]
    assert score.mean_average_precision(empty, empty.astype(np.float32)) == 0


def test_a_false_tag_on_an_empty_chip_and_no_tag_on_another_count_zero():
    truth = np.array([[False, False], [True, False], [False, False]])
    tags = np.array([[False, True], [False, False], [False, False]])
    assert score.per_chip(truth, tags).tolist() == [0, 0, 1]


def test_macro_f1_leaves_out_labels_on_no_chip_and_in_no_answer():
    truth = np.array([[True, False, False], [True, False, False]])
    assert score.f1(truth, truth, "macro") == 1
    false_tag = truth | np.array([[False, False, True], [False, False, False]])
    assert score.f1(truth, false_tag, "macro") == 0.5  # a label in a wrong answer counts 0


def test_average_precision_is_over_the_labels_that_occur_and_equals_its_definition():
    truth, _ = two(3, 0.3, chips=30, labels=4)
    truth[:, 2] = False
    scores = np.random.default_rng(3).permutation(120).reshape(30, 4).astype(np.float32) / 120  # no ties
    each = []
    for label in (0, 1, 3):
        hits = truth[np.argsort(-scores[:, label]), label]
        each.append((np.cumsum(hits) / np.arange(1, 31))[hits].mean())
    assert score.mean_average_precision(truth, scores) == pytest.approx(np.mean(each))
    assert label_ranking_average_precision_score(truth[:, [0]].T, scores[:, [0]].T) == pytest.approx(each[0])


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(4).normal(0.8, 0.1, 900)
    low, high = score.bootstrap_interval(values)
    half = 1.96 * values.std() / 30
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)
    wide = score.bootstrap_interval(values, level=0.99)
    assert wide[0] < low
    assert wide[1] > high


def test_intervals_repeat_with_their_seed():
    truth, tags = two(5, 0.3)
    values = score.per_chip(truth, tags)
    assert score.bootstrap_interval(values) == score.bootstrap_interval(values)
    assert score.bootstrap_interval(values) != score.bootstrap_interval(values, seed=1)
    np.testing.assert_array_equal(score.label_intervals(truth, tags), score.label_intervals(truth, tags))


def test_the_interval_of_a_constant_is_a_point():
    assert score.bootstrap_interval(np.full(7, 0.25)) == (0.25, 0.25)


def test_label_intervals_equal_resampling_one_by_one():
    truth, tags = two(6, 0.4, chips=25, labels=3)
    found = score.label_intervals(truth, tags, seed=9, draws=50)
    rng = np.random.default_rng(9)
    draws = []
    for _ in range(50):
        rows = rng.integers(25, size=25)
        draws.append(fbeta_score(truth[rows], tags[rows], beta=2, average=None, zero_division=0))
    np.testing.assert_allclose(found, np.quantile(draws, [0.025, 0.975], axis=0).T)


def test_the_blocks_that_save_memory_change_nothing(monkeypatch):
    truth, tags = two(7, 0.4)
    whole = score.label_intervals(truth, tags, draws=100)
    monkeypatch.setattr(score, "MAX_RESAMPLING_WEIGHTS", 90)
    np.testing.assert_array_equal(score.label_intervals(truth, tags, draws=100), whole)


@pytest.mark.parametrize(
    ("truth", "tags", "error", "text"),
    [
        (np.zeros((3, 2), bool), np.zeros((3, 4), bool), ValueError, r"\(3, 2\) but tags has \(3, 4\)"),
        (np.zeros(3, bool), np.zeros(3, bool), ValueError, "must be"),
        (np.zeros((3, 2), bool), np.zeros((3, 2)), TypeError, "float64.*apply thresholds to scores first"),
        (np.zeros((0, 2), bool), np.zeros((0, 2), bool), ValueError, "at least one chip"),
    ],
)
def test_wrong_shapes_and_types_are_refused(truth, tags, error, text):
    with pytest.raises(error, match=text):
        score.f2(truth, tags)


def test_values_that_are_not_numbers_have_no_interval():
    with pytest.raises(ValueError, match="cannot be resampled"):
        score.bootstrap_interval(np.array([0.5, np.nan]))


@pytest.mark.real
def test_a_flat_threshold_gives_the_published_f2_of_a_competitors_scores(real):
    with (real / "predictions/resnet_valid_scores.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    with (real / "predictions/resnet_valid_labels.csv").open(newline="") as file:
        known = {row["image_name"]: row["tags"].split() for row in csv.DictReader(file)}
    scores = np.array([row[1:] for row in rows], np.float32)
    truth = np.array([[label in known[row[0]] for label in header[1:]] for row in rows])
    assert truth.shape == (4096, 17)
    assert 0.893 < score.f2(truth, apply_thresholds(scores, FLAT_THRESHOLD)) < 0.899
    thresholds = fit_thresholds(scores, truth)
    assert score.f2(truth, apply_thresholds(scores, thresholds)) >= score.f2(
        truth, apply_thresholds(scores, FLAT_THRESHOLD)
    )

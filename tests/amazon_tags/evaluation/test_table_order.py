"""The order of rows and columns of a table decides nothing."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_tags.datasets import sample_competition
from amazon_tags.evaluation.evaluate import evaluate_tables
from amazon_tags.evaluation.tune import TuneRequest, tune
from amazon_tags.model import decision_file
from amazon_tags.prediction.decide import decide_scores
from amazon_tags.training.training_data import TrainingSource, read_training_data
from ensemble.decisions import tuning

CHIPS = [f"chip_{number}" for number in range(40)]
NAMES = ["forest", "crop", "water"]
quick = settings(max_examples=5, deadline=None, database=None, derandomize=True)


def write(path, header, rows):
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(header)
        table.writerows(rows)
    return path


def shuffled(path, rng, *, columns=False):
    """A copy of a table with its rows, and its columns, in another order."""
    header, *rows = csv.reader(path.read_text().splitlines())
    order = rng.permutation(len(header)) if columns else range(len(header))
    rows = [[rows[row][column] for column in order] for row in rng.permutation(len(rows))]
    target = path.with_name("shuffled") / path.name
    target.parent.mkdir(exist_ok=True)
    return write(target, [header[column] for column in order], rows)


def tables(folder, rng):
    """Scores, labels, some of them empty, and groups of two chips."""
    matrix = rng.beta(0.5, 1, (len(CHIPS), len(NAMES))).round(3)
    truth = rng.random(matrix.shape) < matrix
    tags = [" ".join(name for name, holds in zip(NAMES, row, strict=True) if holds) for row in truth]
    scores = write(
        folder / "s.csv", ["image_name", *NAMES], [[name, *row] for name, row in zip(CHIPS, matrix, strict=True)]
    )
    labels = write(folder / "t.csv", ["image_name", "tags"], zip(CHIPS, tags, strict=True))
    groups = write(folder / "g.csv", ["image_name", "group"], [[name, row // 2] for row, name in enumerate(CHIPS)])
    return scores, labels, groups


def decision_bytes(scores, labels, groups):
    outcome = tune(scores, labels, space="table", request=TuneRequest(groups=groups))
    path = scores.with_name("decision.json")
    decision_file.write(path, outcome.space, outcome.result.decision)
    return path.read_bytes(), json.dumps(outcome.report.to_json())


def decided(scores, decision):
    space, parts = decide_scores(scores, decision)
    return sorted(
        (name, *np.array(space.names)[row]) for part in parts for name, row in zip(part.ids, part.tags, strict=True)
    )


@quick
@given(st.integers(0, 2**32 - 1))
def test_tune_and_decide_give_the_same_for_any_order_of_rows_and_columns(tmp_path_factory, seed):
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("tables")
    scores, labels, groups = tables(folder, rng)
    others = shuffled(scores, rng, columns=True), shuffled(labels, rng, columns=True), shuffled(groups, rng)
    assert decision_bytes(scores, labels, groups) == decision_bytes(*others)
    decision = folder / "decision.json"
    assert decided(scores, decision) == decided(others[0], decision)


def test_evaluate_gives_the_same_for_any_order_of_rows(tmp_path):
    rng = np.random.default_rng(0)
    _, labels, _ = tables(tmp_path, rng)
    predicted = write(tmp_path / "p.csv", ["image_name", "tags"], [[name, "forest"] for name in CHIPS])
    first = evaluate_tables(predicted, labels, space="table")
    assert first == evaluate_tables(shuffled(predicted, rng), shuffled(labels, rng), space="table")


def test_training_data_are_the_same_for_any_order_of_the_tables(world, tmp_path):
    rng = np.random.default_rng(0)
    labels = tmp_path / "labels.csv"
    labels.write_text(world.labels.read_text())
    rows = [line.split(",")[0] for line in labels.read_text().splitlines()[1:]]
    groups = write(tmp_path / "g.csv", ["image_name", "group"], [[name, row // 3] for row, name in enumerate(rows)])
    first = read_training_data(TrainingSource(world.train_jpg, labels, groups=groups), 1)
    second = read_training_data(
        TrainingSource(world.train_jpg, shuffled(labels, rng, columns=True), groups=shuffled(groups, rng)), 1
    )
    assert (first.paths, first.hashes, first.fingerprint) == (second.paths, second.hashes, second.fingerprint)
    np.testing.assert_array_equal(first.truth, second.truth)
    np.testing.assert_array_equal(first.groups, second.groups)


def test_a_rehearsal_is_the_same_for_any_order_of_the_table(world, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(world.labels.read_text())
    other = shuffled(labels, np.random.default_rng(0))
    for name, table in (("first", labels), ("second", other)):
        sample_competition.write_competition(tmp_path / name, table, 3)
    first, second = ((tmp_path / name / "train_v2.csv").read_bytes() for name in ("first", "second"))
    assert first == second


def test_too_few_groups_for_tuning_are_refused_in_chips_and_groups(tmp_path):
    scores, labels, _ = tables(tmp_path, np.random.default_rng(0))
    groups = write(tmp_path / "g.csv", ["image_name", "group"], [[name, row // 7] for row, name in enumerate(CHIPS)])
    with pytest.raises(
        ValueError, match=r"40 chips in 6 groups are too few .* at least 7 groups, or leave out --groups"
    ):
        tune(scores, labels, space="table", request=TuneRequest(groups=groups))


def test_so_few_chips_that_they_measure_little_are_remarked_on(tmp_path, capsys):
    scores, labels, groups = tables(tmp_path, np.random.default_rng(0))
    tune(scores, labels, space="table", request=TuneRequest(groups=groups))
    assert "40 chips measure little: expect F2 to be uncertain by about 0.06 either way" in capsys.readouterr().err
    assert tuning.DIVISIONS == (5, 3, 3)

"""`amazon_tags rank`."""

import csv
import json
import shutil
from dataclasses import replace

import pytest

from amazon_tags.evaluation.ranking import ranking_csv, ranking_text
from amazon_tags.training import feature_bank
from amazon_tags.training.compared_backbones import ComparisonOptions
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.rank import rank
from amazon_tags.training.training_data import TrainingSource

PAIR = ("toy", "toy@edges")


@pytest.fixture(scope="module")
def source(world):
    return TrainingSource(world.train_jpg, world.labels)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return tmp_path_factory.mktemp("bank")


@pytest.fixture(scope="module")
def ranking(source, bank):
    return rank(source, PAIR, ComparisonOptions(bank=bank))


@pytest.fixture(scope="module")
def vectors(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "toy.parquet"
    embed([world.train_jpg], path, FeatureExtractor("toy"))
    return path


def test_the_rows_are_sorted_and_their_log_odds_sum_to_0(ranking):
    odds = [row.log_odds for row in ranking.backbones]
    assert odds == sorted(odds, reverse=True)
    assert sum(odds) == pytest.approx(0, abs=1e-12)
    assert {row.name: row.width for row in ranking.backbones} == {"toy": 16, "toy@edges": 8}
    assert ranking.backbones[0].behind == 0
    assert all(row.megabytes > 0 and row.milliseconds > 0 for row in ranking.backbones)
    assert all(row.f2_interval[0] < row.f2 < row.f2_interval[1] for row in ranking.backbones)


def test_labels_on_few_chips_are_named_and_not_counted(ranking):
    assert ranking.left_out["conventional_mine"] == 0
    assert ranking.left_out["blow_down"] == 1
    assert not set(ranking.left_out) & set(ranking.labels)
    assert len(ranking.left_out) + len(ranking.labels) == 17
    assert "conventional_mine (0)" in ranking_text(ranking)


def test_a_later_run_reads_the_bank_and_ranks_alike(ranking, source, bank, monkeypatch):
    monkeypatch.setattr(feature_bank, "refuse_changed_chips", None)  # which follows every embedding
    again = rank(source, PAIR, ComparisonOptions(bank=bank, jobs=1))
    for first, second in zip(ranking.backbones, again.backbones, strict=True):
        assert replace(second, milliseconds=None) == replace(first, milliseconds=None)


def test_vectors_of_a_file_rank_like_their_backbone(source, bank, vectors):
    first, second = rank(source, ("toy", str(vectors)), ComparisonOptions(bank=bank)).backbones
    assert (first.log_odds, second.log_odds, second.behind_interval) == (0, 0, (0, 0))
    assert first.f2 == second.f2
    assert (second.megabytes, second.milliseconds) == (None, None)


def test_a_network_of_ones_own_is_ranked(source, bank, tmp_path):
    pytest.importorskip("onnx")
    from tests import own_networks  # noqa: PLC0415  it needs onnx

    path = own_networks.write(tmp_path / "own.onnx")
    ranking = rank(source, ("toy", str(path)), ComparisonOptions(bank=bank))
    assert {row.name: row.width for row in ranking.backbones} == {"toy": 16, str(path): own_networks.WIDTH}


def test_the_text_and_the_csv_have_a_row_for_each_backbone(ranking):
    rows = list(csv.DictReader(ranking_csv(ranking).splitlines()))
    assert [row["backbone"] for row in rows] == [row.name for row in ranking.backbones]
    assert float(rows[0]["f2"]) == pytest.approx(ranking.backbones[0].f2, abs=1e-6)
    text = ranking_text(ranking)
    assert text.splitlines()[3].startswith(ranking.backbones[0].name)
    assert text.endswith(ranking.verdict + "\n")


@pytest.mark.parametrize(
    ("backbones", "weights", "words"),
    [
        (("toy",), {}, "compares 2 backbones or more"),
        (("toy", "toy"), {}, "each once"),
        (("toy", "mobilenet_v4"), {}, "did you mean mobilenet_v"),
        (("toy", "toy@edge"), {}, "did you mean edges"),
        (("toy", "efficientnet_lite0"), {}, "no weights that can be downloaded"),
        (PAIR, {"vgg16": "some.h5"}, "weights for vgg16, which is not among"),
    ],
)
def test_backbones_that_cannot_be_ranked_are_refused(source, backbones, weights, words):
    with pytest.raises(ValueError, match=words):
        rank(source, backbones, ComparisonOptions(weights))


def test_a_file_that_lacks_chips_or_has_others_is_refused(world, source, vectors, tmp_path):
    embed([world.test_jpg], tmp_path / "test.parquet", FeatureExtractor("toy"))
    with pytest.raises(ValueError, match=r"48 of 48 chips have no vector in .*first: train_0"):
        rank(source, ("toy", str(tmp_path / "test.parquet")))
    chips = shutil.copytree(world.train_jpg, tmp_path / "chips")
    shutil.copy(chips / "train_1.jpg", chips / "train_0.jpg")
    with pytest.raises(ValueError, match=r"1 of 48 chips are not those .*first: train_0"):
        rank(replace(source, chips=chips), ("toy", str(vectors)))


def test_chips_without_a_common_label_are_refused(world, tmp_path):
    lines = world.labels.read_text().splitlines()[:1]
    lines += [f"train_{number},{'clear' if number == 7 else 'haze'} primary" for number in range(6)]
    (tmp_path / "few.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match="no label is carried by 5 of the 6 chips"):
        rank(TrainingSource(world.train_jpg, tmp_path / "few.csv"), PAIR)


@pytest.mark.slow
def test_the_command_prints_json_and_writes_csv(world, run, tmp_path):
    arguments = ("rank", world.train_jpg, world.labels, "--backbones", "toy, toy@edges")
    done = run(*arguments, "--json", "-o", tmp_path / "ranking.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {row["name"] for row in json.loads(done.stdout)["backbones"]} == set(PAIR)
    assert len((tmp_path / "ranking.csv").read_text().splitlines()) == 3
    refused = run(*arguments, "--weights", "toy=nowhere.h5", cwd=tmp_path)
    assert refused.returncode == 2
    assert "BACKBONE=FILE" in refused.stderr

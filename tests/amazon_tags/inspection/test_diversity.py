"""`amazon_tags inspect diversity`."""

import numpy as np
import pytest

from amazon_tags.inspection.diversity import inspect_diversity
from amazon_tags.training.compared_backbones import ComparisonOptions
from amazon_tags.training.training_data import TrainingSource, read_training_data
from tests import vector_files


@pytest.fixture(scope="module")
def data(world):
    return read_training_data(TrainingSource(world.train_jpg, world.labels), 1)


def grouped(world, data, tmp_path, vectors):
    """Half of the chips in each of two groups, with planted vectors; vectors is called with the group of each chip."""
    groups = np.arange(len(data.truth)) % 2
    table = tmp_path / "groups.csv"
    rows = [f"{chip.stem},{'ab'[group]}" for chip, group in zip(data.paths, groups, strict=True)]
    table.write_text("\n".join(["image_name,group", *rows]) + "\n")
    path = vector_files.write(tmp_path / "v.parquet", data, vectors(groups))
    source = TrainingSource(world.train_jpg, world.labels, groups=table)
    return inspect_diversity(source, (path,), ComparisonOptions(), by="group")


def test_groups_of_other_pictures_are_not_exchangeable(world, data, tmp_path):
    noise = np.random.default_rng(0).normal(size=(len(data.truth), 8))
    scale = np.array([[10.0] * 4 + [0.1] * 4, [0.1] * 4 + [10.0] * 4])
    findings = grouped(world, data, tmp_path, lambda groups: noise * scale[groups])
    assert "differ more than by chance" in findings.advice
    assert findings.rows[0][2] > 0.5


def test_groups_of_like_pictures_are_exchangeable(world, data, tmp_path):
    noise = np.random.default_rng(0).normal(size=(len(data.truth), 8))
    findings = grouped(world, data, tmp_path, lambda _: noise)
    assert findings.advice.endswith("the groups are exchangeable.")


def test_tags_on_the_same_chips_are_most_alike(world, data, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(len(data.truth), 8)) + data.truth[:, :8]
    path = vector_files.write(tmp_path / "v.parquet", data, vectors)
    findings = inspect_diversity(TrainingSource(world.train_jpg, world.labels), (path,), ComparisonOptions(), by="tag")
    distances = np.array([row[1:] for row in findings.rows])
    np.testing.assert_allclose(distances, distances.T)
    assert not distances.diagonal().any()
    others = distances + np.where(np.eye(len(distances), dtype=bool), np.inf, 0)
    nearest = {findings.rows[place][0] for place in np.unravel_index(others.argmin(), others.shape)}
    assert all(name in findings.advice for name in nearest)


@pytest.mark.slow
def test_the_command_compares_folds(world, run, tmp_path):
    arguments = ("inspect", "diversity", world.train_jpg, world.labels, "--backbones", "toy", "--by", "fold")
    done = run(*arguments, "--svg", tmp_path / "folds.svg")
    assert done.returncode == 0, done.stderr
    assert "The diversity of the folds is" in done.stdout
    assert "fold 4, fold 4: 0.0000" in (tmp_path / "folds.svg").read_text()


@pytest.mark.parametrize(
    ("backbones", "by", "words"),
    [(("toy", "toy@edges"), "tag", "name one"), (("toy",), "group", "name a table of them with --groups")],
)
def test_what_cannot_be_compared_is_refused(world, backbones, by, words):
    with pytest.raises(ValueError, match=words):
        inspect_diversity(TrainingSource(world.train_jpg, world.labels), backbones, ComparisonOptions(), by=by)

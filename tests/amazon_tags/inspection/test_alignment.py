"""`amazon_tags inspect alignment`."""

import numpy as np
import pytest

from amazon_tags.inspection.alignment import inspect_alignment
from amazon_tags.training.compared_backbones import ComparisonOptions
from amazon_tags.training.training_data import TrainingSource, read_training_data
from tests import vector_files


@pytest.fixture(scope="module")
def source(world):
    return TrainingSource(world.train_jpg, world.labels)


@pytest.fixture(scope="module")
def data(source):
    return read_training_data(source, 1)


def planted(truth, scale):
    """Vectors in which the first label stands along a direction of this scale."""
    noise = np.random.default_rng(0).normal(0, 0.3, (len(truth), 8))
    return np.column_stack([noise, scale * (truth[:, 0] - truth[:, 0].mean())])


def test_a_label_along_a_large_direction_is_learnt_first(source, data, tmp_path):
    column = int(np.argmax(np.minimum(data.truth.mean(axis=0), 0.5)))
    truth = data.truth[:, [column]]
    large = vector_files.write(tmp_path / "large.parquet", data, planted(truth, 1.0))
    small = vector_files.write(tmp_path / "small.parquet", data, planted(truth, 0.01))
    findings = inspect_alignment(source, (small, large), ComparisonOptions())
    assert findings.columns[1:] == (large, small)
    _, fast, slow = next(row for row in findings.rows if row[0] == data.space.names[column])
    assert fast < slow / 100
    assert findings.advice.startswith(f"{large} is aligned best with the tags")


def test_a_label_that_is_learnt_slowly_is_named(source, data, tmp_path):
    names = np.array(data.space.names)
    often = data.truth[:, (data.truth.mean(axis=0) > 0.1) & (data.truth.mean(axis=0) < 0.9)].astype(float)
    vectors = np.column_stack([often - often.mean(axis=0), np.zeros(len(often))])
    vectors[:, 0] *= 0.003
    path = vector_files.write(tmp_path / "v.parquet", data, vectors)
    findings = inspect_alignment(source, (path,), ComparisonOptions())
    slow = names[(data.truth.mean(axis=0) > 0.1) & (data.truth.mean(axis=0) < 0.9)][0]
    assert slow in findings.advice.partition("learnt slowly")[2]


@pytest.mark.slow
def test_the_command_writes_a_picture_of_all_backbones(world, run, tmp_path):
    arguments = ("inspect", "alignment", world.train_jpg, world.labels, "--backbones", "toy,toy@edges")
    done = run(*arguments, "--html", tmp_path / "a.html")
    assert done.returncode == 0, done.stderr
    assert "Alignment of 17 tags with vectors" in done.stdout
    assert (tmp_path / "a.html").read_text().count("<polyline") == 2

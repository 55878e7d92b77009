"""`amazon_tags inspect separation`."""

import json

import numpy as np
import pytest

from amazon_tags.inspection.separation import inspect_separation
from amazon_tags.training.compared_backbones import ComparisonOptions
from amazon_tags.training.training_data import TrainingSource, read_training_data
from tests import vector_files


@pytest.fixture(scope="module")
def source(world):
    return TrainingSource(world.train_jpg, world.labels)


@pytest.fixture(scope="module")
def data(source):
    return read_training_data(source, 1)


def test_a_backbone_that_separates_more_but_probes_worse_is_warned_of(source, data, tmp_path):
    rng = np.random.default_rng(0)
    often = data.truth[:, data.truth.mean(axis=0) > 0.1]
    one = np.where(often[:, :1], 10.0, -10.0) * np.ones(6) + rng.normal(0, 0.1, (len(often), 6))
    all_tags = np.column_stack([often, rng.normal(0, 1, (len(often), 6))]) + 3.0
    narrow, broad = (
        vector_files.write(tmp_path / f"{name}.parquet", data, vectors)
        for name, vectors in (("narrow", one), ("broad", all_tags))
    )
    findings = inspect_separation(source, (broad, narrow), ComparisonOptions())
    assert findings.columns[1:] == (narrow, broad)
    assert findings.rows[0][1] > findings.rows[0][2]
    assert findings.rows[1][1] < findings.rows[1][2]
    assert findings.advice.startswith(f"Warning: {narrow} separates the tags most but probes worse than {broad}")


def test_the_best_of_both_is_proposed_without_a_warning(source, data, tmp_path):
    noise = np.random.default_rng(0).normal(size=(len(data.truth), 4))
    good = vector_files.write(tmp_path / "good.parquet", data, data.truth * 1.0 + 0.01)
    bad = vector_files.write(tmp_path / "bad.parquet", data, noise)
    findings = inspect_separation(source, (bad, good), ComparisonOptions())
    assert findings.advice == f"Use {good}: it separates the tags most, and its probe has the highest F2."


@pytest.mark.slow
def test_the_command_prints_json_and_writes_its_files(world, run, tmp_path):
    arguments = ("inspect", "separation", world.train_jpg, world.labels, "--backbones", "toy,toy@edges", "--json")
    files = ("-o", tmp_path / "a.csv", "--svg", tmp_path / "a.svg", "--html", tmp_path / "a.html")
    done = run(*arguments, *files)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    rows = {row["tag"]: row for row in rows}
    assert set(rows["clear"]) == {"tag", "toy", "toy@edges"}
    assert rows["conventional_mine"]["toy"] is None  # no chip carries it
    assert (tmp_path / "a.svg").read_text() in (tmp_path / "a.html").read_text()
    assert (tmp_path / "a.csv").read_text().startswith("tag,toy")


def test_what_cannot_be_inspected_ends_in_one_line(world, run):
    arguments = ("inspect", "separation", world.train_jpg, world.labels, "--backbones")
    for name, words in (("toy,toy", "each once"), ("tyo", "did you mean toy"), ("toy@edge", "did you mean edges")):
        done = run(*arguments, name)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert words in done.stderr

"""`amazon_tags inspect locality`."""

import csv
import json
import shutil

import numpy as np
import pytest

from amazon_tags.inspection.layered_model import ModelOptions
from amazon_tags.inspection.locality import LayerLocality, inspect_locality, locality_findings
from amazon_tags.inspection.minibatches import BatchOptions

NO_OPTIONS = ModelOptions({})
ONE = BatchOptions(jobs=1)


def layer(name, *, kept, effective=9.0):
    """A layer with four positions that keep their place, or do not."""
    similarities = np.where(np.eye(4, dtype=bool), 0.9, 0.1) if kept else np.full((4, 4), 0.5)
    return LayerLocality(name, 2, float("nan"), effective, similarities)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([layer("a", kept=True), layer("b", kept=True)], "every layer keeps positions"),
        ([layer("a", kept=True), layer("b", kept=False, effective=30.0)], "a is the last layer that keeps positions"),
        ([layer("a", kept=False)], "no layer keeps positions"),
        ([LayerLocality("a", 2, 3.0, 3.0, np.full((4, 4), np.nan))], "the chips are too alike to say"),
    ],
)
def test_the_advice_names_the_last_layer_that_keeps_positions(layers, words):
    findings = locality_findings("net", 64, layers)
    assert words in findings.advice
    widest = max(layers, key=lambda one: one.effective)
    assert f"sees at most {widest.effective:.0f} of 64 pixels along a side, at {widest.layer}" in findings.advice


def test_the_table_has_a_row_for_each_layer_and_the_picture_two_maps():
    findings = locality_findings("net", 64, [layer("a", kept=True), layer("b", kept=False)])
    assert findings.rows[0][0:2] == ("a", 2)
    assert findings.rows[0][3:] == pytest.approx((9.0, 0.9, 0.1, 1.0))
    assert findings.rows[1][3:] == pytest.approx((9.0, 0.5, 0.5, 0.5))
    for name in ("a, centre, row 2, column 2: 0.9000", "a, corner, row 1, column 1: 0.9000", "b, centre", "b, corner"):
        assert name in findings.picture


def test_what_cannot_be_inspected_is_refused(world, tmp_path):
    for name, options, words in (("tyo", NO_OPTIONS, "did you mean toy"), ("toy@edgs", NO_OPTIONS, "mean edges")):
        with pytest.raises(ValueError, match=words):
            inspect_locality(world.train_jpg, name, options, ONE)
    one_patch = ModelOptions({}, side=14, otherwise="none")
    with pytest.raises(ValueError, match=r"no layer of dinov2.* has a map of two places or more .* larger --side"):
        inspect_locality(world.train_jpg, "dinov2_vits14@block1", one_patch, ONE)
    for number, chip in enumerate(sorted(world.train_jpg.glob("*.jpg"))[:3]):
        shutil.copy(chip, tmp_path / f"chip_{number}.jpg")
    with pytest.raises(ValueError, match="has 3 chips, and at least 4 are needed"):
        inspect_locality(tmp_path, "toy", NO_OPTIONS, ONE)
    (tmp_path / "chip_3.jpg").write_bytes((tmp_path / "chip_2.jpg").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"chip_3\.jpg"):
        inspect_locality(tmp_path, "toy", NO_OPTIONS, ONE)


def test_a_layer_with_one_place_is_left_out(world):
    rows = inspect_locality(world.train_jpg, "toy", ModelOptions({}, side=16, otherwise="none"), ONE).rows
    assert [row[0] for row in rows] == ["edges"]


def test_the_command_writes_its_files_and_refuses_in_one_line(world, model, run, tmp_path):
    files = ("-o", tmp_path / "a.csv", "--svg", tmp_path / "a.svg", "--html", tmp_path / "a.html")
    done = run("inspect", "locality", world.train_jpg, f"{model}@net", "--json", *files)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["layer"], row["theoretical side"]) for row in rows] == [("edges", 5), ("top", 13)]
    assert (tmp_path / "a.svg").read_text() in (tmp_path / "a.html").read_text()
    table = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert float(table[0]["kept"]) == pytest.approx(rows[0]["kept"], abs=1e-6)

    done = run("inspect", "locality", world.train_jpg, "tyo")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)

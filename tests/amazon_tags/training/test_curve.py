"""`amazon_tags curve`."""

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest

from amazon_tags.evaluation.curve_report import FULL
from amazon_tags.model import bundle
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.tables import score_tables
from amazon_tags.training import curve as curves
from amazon_tags.training.curve import measure_curve
from amazon_tags.training.curve_request import CurveRequest, curve_recipe
from amazon_tags.training.examples import Examples
from amazon_tags.training.preparation import TrainOptions, prepare_data
from amazon_tags.training.training_data import TrainingSource

REQUEST = CurveRequest((1, 3), seeds=2)
ONE_NETWORK = CurveRequest((1,), seeds=1)  # beside that of all chips
WITH_TEACHER = """
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
[[members]]
kind = "tuned"
name = "net"
backbone = "toy"
teachers = ["vectors"]
"""
VECTORS = """
folds = 3
side = 64
decision = "flat"
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
weights = "none"
head = "ridge"
"""


@pytest.fixture(scope="module")
def recipe(recipe_file):
    return curve_recipe(read_recipe(recipe_file))


@pytest.fixture(scope="module")
def data(world, recipe):
    return prepare_data(TrainingSource(world.train_jpg, world.labels), recipe=recipe, options=TrainOptions())


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    path = tmp_path_factory.mktemp("frozen") / "frozen.toml"
    path.write_text(VECTORS)
    return path


@pytest.mark.slow
def test_full_equals_a_normal_training_to_the_bit(model, data, recipe, tmp_path, monkeypatch):
    """Of a fine-tuned and a frozen member; `model` was trained by the command `train` with the same recipe."""
    measured = {}
    measure = curves.measure_seeds

    def record(truth, scores, tags):
        measured[len(measured)] = scores
        return measure(truth, scores, tags)

    monkeypatch.setattr(curves, "measure_seeds", record)
    report = measure_curve(data, tmp_path / "c.csv", recipe=recipe, options=TrainOptions(), request=ONE_NETWORK)
    _, expected, _ = score_tables.read_scores(model.with_name(f"{model.name}.scores.parquet"), data.space)
    assert measured[1][0].tobytes() == expected.tobytes()
    assert [point.shots for point in report.points] == ["1", FULL]
    decisions = bundle.load(model).manifest.scores.decisions
    assert report.points[-1].f2.value in [pytest.approx(entry.f2, abs=1e-12) for entry in decisions.values()]
    assert not (tmp_path / "c.csv.work").exists()


@pytest.mark.slow
def test_a_run_resumes_from_its_finished_parts(data, frozen, tmp_path, monkeypatch):
    settings = curve_recipe(read_recipe(frozen))
    options = {"recipe": settings, "options": TrainOptions(), "request": REQUEST}
    expected = measure_curve(data, tmp_path / "whole.csv", **options)

    def stop(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(curves, "fit_members", stop)  # of the last point
        measure_curve(data, tmp_path / "c.csv", **options)
    assert not (tmp_path / "c.csv").exists()
    monkeypatch.setattr(curves, "HEADS", {})  # no head is fitted again
    assert measure_curve(data, tmp_path / "c.csv", **options) == expected
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.slow
def test_the_command_says_which_labels_are_short_and_writes_csv_and_json(world, frozen, run, tmp_path):
    output = tmp_path / "curve.csv"
    arguments = ("curve", world.train_jpg, world.labels, "--recipe", frozen, "-o", output, "--shots", "full,5,1")
    done = run(*arguments, "--seeds", 2, "--target", 0.9, "--json", "--svg", "curve.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5 shots: " in done.stderr
    assert "labels are on fewer chips outside of a fold (first: " in done.stderr
    report = json.loads(done.stdout)
    assert [point["shots"] for point in report["points"]] == ["1", "5", "full"]
    assert report["points"][1]["short"]["blow_down"] == 0
    assert "3 sizes of samples cannot test a law" in report["law"]["refusal"]
    assert report["needed"][0]["chips"] is None
    root = ElementTree.fromstring((tmp_path / "curve.svg").read_text())  # noqa: S314  our own chart
    dots = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert [dot.split()[0] for dot in dots] == 2 * ["1", "5", "full"]  # F2 and mean average precision
    assert "power law of F2" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert {row["metric"] for row in rows} == {"f2", "mean_average_precision", "recall"}
    assert float(rows[0]["value"]) == pytest.approx(report["points"][0]["f2"]["value"], abs=1e-6)


@pytest.mark.parametrize("shots", ["", "0,full", "1,one", "5,5", "full,full", "-1"])
def test_shots_that_are_no_numbers_are_a_usage_error(world, run, tmp_path, shots):
    done = run("curve", world.train_jpg, world.labels, "-o", tmp_path / "c.csv", f"--shots={shots}")
    assert done.returncode == 2
    assert "different whole numbers from 1, or full" in done.stderr


def test_a_recipe_with_teachers_is_refused(tmp_path):
    (tmp_path / "recipe.toml").write_text(WITH_TEACHER)
    with pytest.raises(ValueError, match="net has teachers"):
        curve_recipe(read_recipe(tmp_path / "recipe.toml"))


def test_what_a_curve_leaves_out_of_a_recipe_is_said(recipe_file, caplog):
    plain = curve_recipe(read_recipe(recipe_file))
    assert plain.decision == "flat"
    assert "the recipe's decision is not used" in caplog.text


def test_subsets_are_drawn_outside_of_each_fold():
    fold = np.array([0, 1, 0, 1])
    examples = Examples([], np.ones((4, 1), bool), None, fold, 1, 0, 1, subsets=[np.array([3]), np.array([0])])
    assert [examples.training_rows(number).tolist() for number in (0, 1)] == [[3], [0]]

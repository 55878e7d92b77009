"""`amazon_tags inspect cka`."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amazon_tags.commands.inspect import cka_command
from amazon_tags.inspection.cka import MEASURES, ComparedLayers, cka_findings, inspect_cka
from amazon_tags.inspection.layered_model import ModelOptions, read_models
from amazon_tags.inspection.minibatches import BatchOptions
from amazon_tags.model import bundle
from amazon_tags.model.vector_origin import VectorInput
from ensemble.representation import cka
from features.networks import backbones
from tests.bundle_copies import copied

LAYERS = ("a", "b", "c", "d", "e")
NO_OPTIONS = ModelOptions({})


def within(groups):
    """The findings of a model whose layers are alike where they have the same number."""
    places = np.array(groups)
    similarities = np.where(places[:, np.newaxis] == places, 0.95, 0.3)
    np.fill_diagonal(similarities, 1)
    return cka_findings(ComparedLayers(("net",), (LAYERS[: len(groups)],), similarities), chips=50)


def between(similarities, *, columns=LAYERS):
    return cka_findings(ComparedLayers(("one", "two"), (LAYERS, columns), np.array(similarities)), chips=50)


@pytest.mark.parametrize(
    ("groups", "first", "last"),
    [
        ([0, 1, 1, 1, 2], "b", "d"),
        ([0, 0, 1, 1, 2], "c", "d"),
        ([0, 0, 0, 0, 0], "a", "e"),
        ([0, 1, 0, 2, 2], "d", "e"),
    ],
)
def test_the_longest_run_of_layers_that_are_all_alike_is_where_truncating_loses_little(groups, first, last):
    advice = within(groups).advice
    assert f"layers from {first} to {last} of net say nearly the same" in advice
    assert f"ending it at {first} rather than at {last} loses little" in advice


def test_a_chain_of_alike_neighbours_is_no_run_unless_its_ends_are_alike():
    similarities = 1 - 0.06 * np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    advice = cka_findings(ComparedLayers(("net",), (LAYERS,), similarities), chips=50).advice
    assert advice.startswith("The 2 layers from d to e of net")


def test_a_model_whose_layers_all_differ_should_not_be_truncated():
    assert "each of them adds something" in within([0, 1, 2, 3, 4]).advice
    assert within([0]).advice == "net has only one layer to compare; name a second model."


@pytest.mark.parametrize(
    ("alike", "words"),
    [
        ([0.99, 0.95, 0.8, 0.95, 0.2], "agree (CKA of at least 0.9) up to b, and differ from c on: training moved"),
        ([0.99] * 5, "agree at every layer (CKA of at least 0.9), up to e: an ensemble of both gains little"),
        ([0.2, 0.99, 0.99, 0.99, 0.9], "do not agree from the first layer on (CKA of at least 0.9); most alike are b"),
    ],
)
def test_two_models_of_one_backbone_agree_up_to_the_first_layer_that_differs(alike, words):
    similarities = np.full((5, 5), 0.1)
    np.fill_diagonal(similarities, alike)
    assert words in between(similarities).advice


def test_layers_of_two_backbones_are_compared_with_the_most_alike_one():
    similarities = [[0.95, 0.92], [0.1, 0.93], [0.5, 0.6], [0.99, 0.1], [0.1, 0.1]]
    advice = between(similarities, columns=("x", "y")).advice
    assert "up to b, which is most like y, and differ from c on: only what follows" in advice


def test_a_layer_that_is_the_same_for_all_chips_has_no_figure():
    similarities = np.array([[1, np.nan], [np.nan, np.nan]])
    findings = cka_findings(ComparedLayers(("net",), (("a", "b"),), similarities), chips=50)
    assert findings.notes == (
        "without a figure: a layer whose vectors are the same for all chips, or by cca as wide as a minibatch",
    )
    assert findings.to_json()["rows"][1] == {"layer": "b", "a": None, "b": None}
    with pytest.raises(ValueError, match="the 50 chips have the same vector at every layer"):
        cka_findings(ComparedLayers(("net",), (("a", "b"),), np.full((2, 2), np.nan)), chips=50)


def test_every_measure_is_offered_and_explained():
    (option,) = (option for option in cka_command.params if option.name == "measure")
    assert tuple(option.type.choices) == tuple(MEASURES) == cka.MEASURES


@pytest.mark.parametrize("batch", [8, 256])
def test_a_model_agrees_with_itself_and_less_with_a_trained_one(world, model, batch):
    batches = BatchOptions(batch, jobs=1)
    toy = inspect_cka(world.train_jpg, ("toy",), "debiased", NO_OPTIONS, batches)
    (_, first, across), (_, again, last) = toy.rows
    assert toy.columns == ("layer", "edges", "top")
    assert (first, last) == pytest.approx((1, 1))
    assert across == pytest.approx(again)
    assert across < 1

    both = inspect_cka(world.train_jpg, ("toy", str(model)), "debiased", NO_OPTIONS, batches)
    assert both.columns == toy.columns
    assert 0 < both.rows[1][2] < 1
    file = ModelOptions({"toy": model / "members" / "00-net" / "network.weights.h5"}, side=64)
    (start,) = read_models(("toy",), file)
    (trained,) = read_models((str(model),), NO_OPTIONS)
    assert start.spec.side == trained.spec.side == 64
    same = inspect_cka(world.train_jpg, ("toy", str(model)), "debiased", replace(file, side=0), batches)
    assert [same.rows[0][1], same.rows[1][2]] == pytest.approx([1, 1])
    assert "agree at every layer" in same.advice


def test_minibatches_come_near_the_measure_of_all_chips(world):
    small, whole = (
        inspect_cka(world.train_jpg, ("toy",), "debiased", NO_OPTIONS, BatchOptions(batch, jobs=1))
        for batch in (16, 64)
    )
    assert small.rows[0][2] == pytest.approx(whole.rows[0][2], abs=0.1)
    assert "measured on 3 random minibatches of 16 chips" in small.notes
    assert "measured on one minibatch of all 48 chips" in whole.notes


def test_a_member_is_the_only_tuned_one_or_the_one_that_is_named(model, tmp_path):
    named = [read_models((f"{model}{end}",), NO_OPTIONS)[0] for end in ("", "@net", "@vectors")]
    assert [Path(one.weights).parent.name for one in named] == ["00-net", "00-net", "01-vectors"]
    with pytest.raises(ValueError, match=r"has 0 fine-tuned members; name one of its members as .*@MEMBER: vectors\."):
        read_models((str(copied(model, tmp_path, members=("01-vectors",))),), NO_OPTIONS)


def test_models_that_cannot_be_compared_are_refused(model, tmp_path):
    other = replace(bundle.read_manifest(model).spec, bands=("blue", "green", "red", "nir"), dtype="uint16")
    infrared = copied(model, tmp_path, spec=other)
    heads = copied(model, tmp_path / "heads", vectors=VectorInput(16))
    for names, options, words in (
        ((str(heads),), NO_OPTIONS, "has heads on vectors and no network"),
        (("toy", "toy"), NO_OPTIONS, "one model or of two different ones"),
        ((str(model), str(infrared)), NO_OPTIONS, "takes uint8 chips of red, green, blue, but"),
        ((f"{model}@nett",), NO_OPTIONS, r"no member nett .*\(did you mean net\?\)"),
        (("own.onnx",), NO_OPTIONS, "own.onnx has no layers with known names"),
        (("toy@edge",), NO_OPTIONS, "did you mean edges"),
        (("toy",), ModelOptions({"resnet50": tmp_path}), "there are weights for resnet50"),
        ((str(model),), ModelOptions({"toy": tmp_path}), "there are weights for toy, which is not a backbone among"),
        ((str(model), "toy"), ModelOptions({}, side=96), "takes chips of 64 pixels"),
    ):
        with pytest.raises(ValueError, match=words):
            read_models(names, options)
    assert read_models((str(infrared), "toy"), NO_OPTIONS)[1].spec.bands == other.bands


def test_chips_that_are_too_few_or_all_alike_are_refused(world, tmp_path):
    chip = next(iter(sorted(world.train_jpg.glob("*.jpg"))))
    for number in range(3):
        shutil.copy(chip, tmp_path / f"chip_{number}.jpg")
    with pytest.raises(ValueError, match="has 3 chips, and at least 4 are needed"):
        inspect_cka(tmp_path, ("toy",), "debiased", NO_OPTIONS, BatchOptions(jobs=1))
    shutil.copy(chip, tmp_path / "chip_3.jpg")
    with pytest.raises(ValueError, match="the 4 chips have the same vector at every layer"):
        inspect_cka(tmp_path, ("toy",), "debiased", NO_OPTIONS, BatchOptions(jobs=1))


def test_vectors_that_are_not_finite_are_refused(world, tmp_path):
    network = backbones.architecture("toy")
    network.set_weights([np.full_like(value, 1e30) for value in network.get_weights()])
    network.save_weights(tmp_path / "huge.weights.h5")
    huge = ModelOptions({"toy": tmp_path / "huge.weights.h5"})
    with pytest.raises(ValueError, match="48 of 48 chips have vectors that are not finite numbers at top of toy"):
        inspect_cka(world.train_jpg, ("toy",), "debiased", huge, BatchOptions(jobs=1))


def test_the_command_writes_its_files_and_refuses_in_one_line(world, model, run, tmp_path):
    files = ("-o", tmp_path / "a.csv", "--svg", tmp_path / "a.svg", "--html", tmp_path / "a.html")
    done = run("inspect", "cka", world.train_jpg, "toy", f"{model}@net", "--json", *files)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["layer"] for row in rows] == ["edges", "top"]
    assert (tmp_path / "a.svg").read_text() in (tmp_path / "a.html").read_text()
    table = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert float(table[0]["top"]) == pytest.approx(rows[0]["top"], abs=1e-6)

    done = run("inspect", "cka", world.train_jpg, "tyo")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "did you mean toy" in done.stderr

"""Precisions of the bundle of the fixture `model`: what they cost, and which `auto` takes."""

import json
import shutil

import numpy as np
import pytest

from amazon_tags.files import atomic
from amazon_tags.model import bundle, engine
from amazon_tags.model.manifest import digest
from amazon_tags.tables import score_tables
from features.networks import openvino_runtime
from tests.amazon_tags.model.test_bundle import rewrite

HERE = [name for name, hint in engine.HINTS.items() if openvino_runtime.supports(hint)]


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "copy")


def told(folder):
    return json.loads((folder / "manifest.json").read_text())["precision"]


def reprice(folder, **prices):
    rewrite(folder, precision={**told(folder), "prices": prices})


def test_every_precision_of_this_processor_was_measured_on_held_out_chips(model):
    prices = told(model)["prices"]
    assert list(prices) == HERE
    assert prices["f32"]["loss"] == 0
    for price in prices.values():
        assert price["interval"][0] <= price["loss"] <= price["interval"][1]
        assert price["ms"] > 0
    assert prices[told(model)["auto"]]["loss"] <= 0.001
    for name in HERE:
        assert f"| {name} | {prices[name]['loss']:+.4f} |" in bundle.read_card(model)


@pytest.mark.parametrize("name", HERE)
def test_each_precision_scores_the_golden_chips_as_it_did_when_it_was_trained(model, name):
    loaded = bundle.load(model, precision=name)
    with np.load(model / "golden.npz") as archive:
        pixels, scores, plain = archive["chips"], archive["scores" if name == "f32" else name], archive["scores"]
    given = loaded.scores([network(pixels)[np.newaxis] for network in loaded.networks])
    np.testing.assert_array_equal(given, scores)
    assert (name == "f32") == np.array_equal(given, plain)


def test_auto_is_the_fastest_that_costs_little(copy):
    cheap, dear = {"loss": 0.0009, "interval": [0, 0]}, {"loss": 0.0011, "interval": [0, 0]}
    full = {"loss": 0.0, "interval": [0, 0], "ms": 3.0}
    reprice(copy, f32=full, int8={**cheap, "ms": 1.0})
    assert bundle.load(copy, precision="auto").engine.precision == "int8"
    reprice(copy, f32=full, int8={**dear, "ms": 1.0})
    assert bundle.load(copy, precision="auto").engine.precision == "f32"
    reprice(copy, f32=full, int8={**cheap, "ms": 4.0})
    assert bundle.load(copy, precision="auto").engine.precision == "f32"


def test_what_the_processor_lacks_is_left_by_auto_and_refused_by_name(copy, monkeypatch):
    monkeypatch.setattr(openvino_runtime, "supports", lambda hint: hint == "f32")
    price = {"loss": 0.0, "interval": [0, 0]}
    reprice(copy, f32={**price, "ms": 3.0}, bf16={**price, "ms": 1.0}, int8={**price, "ms": 2.0})
    assert bundle.load(copy, precision="auto").engine.precision == "int8"
    with pytest.raises(ValueError, match="this processor does not compute in bf16; use --precision f32 or int8"):
        bundle.load(copy, precision="bf16")


def test_a_bundle_that_was_measured_in_f32_alone_is_run_so(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["precision"]
    atomic.write_json(copy / "manifest.json", {**manifest, "sha256": digest(manifest)})
    assert bundle.load(copy, precision="auto").engine.precision == "f32"
    with pytest.raises(ValueError, match="was not measured in int8, only in f32; name one of these"):
        bundle.load(copy, precision="int8")


@pytest.mark.slow
def test_the_command_computes_in_the_chosen_precision(model, world, run, tmp_path):
    given = {}
    for name in ("f32", "int8"):
        table = tmp_path / f"{name}.csv"
        done = run("predict", world.test_jpg, "--model", model, "--precision", name, "--scores", table)
        assert done.returncode == 0, done.stderr
        given[name] = score_tables.read_scores(table)[1]
    assert 0 < np.abs(given["f32"] - given["int8"]).max() < 0.2

"""`amazon_tags inspect signal`."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.inspection.layered_model import ModelOptions
from amazon_tags.inspection.minibatches import BatchOptions
from amazon_tags.inspection.signal import MeasuredNetwork, inspect_signal, signal_findings
from features.initialisation.autoinit import Moments
from features.initialisation.signal import layer_signals, moments_of
from features.initialisation.start import Start
from features.networks import backbones
from tests.features.initialisation.test_signal import NOISE, chain

NO_OPTIONS = ModelOptions({})
ONE = BatchOptions(jobs=1)


def measured(start="random", **options):
    return MeasuredNetwork("net", start, moments_of(NOISE), layer_signals(chain(**options), NOISE))


def test_kernels_that_are_four_times_too_large_explode_at_the_fourth_convolution():
    advice = signal_findings(measured(gain=4.0)).advice  # 16 ** 3 is below the limit, 16 ** 4 above
    assert "explodes at conv3, where its mean square is" in advice
    assert "no later layer brings it back: start from auto or imagenet instead" in advice
    assert "The prediction holds at every layer, within a factor of 2." in advice


def test_kernels_of_a_tenth_vanish_at_the_second_relu():
    advice = signal_findings(measured("imagenet", gain=0.1, padding="same")).advice
    assert "vanishes at relu1, where its mean square is" in advice
    assert "check that the weights are this backbone's" in advice


def test_a_signal_that_neither_vanishes_nor_explodes_is_said_to_do_neither():
    findings = signal_findings(measured())
    assert findings.advice.startswith("The signal of net neither vanishes nor explodes: its mean square is ")
    assert findings.rows[0][0] == "(input)"
    assert findings.rows[0][1:] == pytest.approx((NOISE.mean(), NOISE.var(), NOISE.mean(), NOISE.var(), 1, 1), rel=1e-4)


def test_values_that_are_no_numbers_explode_and_have_no_cells_and_no_points():
    findings = signal_findings(measured(gain=1e30))
    assert "explodes at conv0, where its mean square is no finite number" in findings.advice
    assert "The prediction holds at no layer" in findings.advice
    assert json.dumps(findings.to_json(), allow_nan=False)
    assert "nan" not in findings.picture


def test_a_signal_that_comes_back_is_named_with_the_layer_where_it_does():
    network = measured()
    layers = list(network.layers)
    layers[3] = replace(layers[3], measured=Moments(0.0, 1e-9))
    advice = signal_findings(replace(network, layers=layers)).advice
    assert f"vanishes at {layers[3].layer}" in advice
    assert f"it is within the limits again at {layers[4].layer}: layers between them learn slowly" in advice
    assert f"The prediction holds up to {layers[2].layer}," in advice


def test_images_with_a_large_scale_do_not_make_a_normalised_signal_vanish():
    network = measured()
    assert "neither" in signal_findings(replace(network, images=Moments(0.0, 1e5))).advice
    assert "neither" in signal_findings(replace(network, images=Moments(0.0, 1e-6))).advice


@pytest.mark.parametrize("init", ["imagenet", "random", "auto", "stats", "transfer:edges"])
def test_every_start_of_a_backbone_can_be_inspected(world, tmp_path, init):
    file = tmp_path / "toy.weights.h5"
    backbones.architecture("toy").save_weights(file)
    options = ModelOptions({"toy": file} if Start(init).takes_weights() else {})
    findings = inspect_signal(world.train_jpg, "toy", Start(init), options, BatchOptions(16, jobs=1))
    assert [row[0] for row in findings.rows] == ["(input)", "edges", "shapes"]
    assert np.isfinite([row[1:] for row in findings.rows]).all()
    assert "measured on a random minibatch of 16 chips" in findings.notes


def test_a_start_from_an_unknown_layer_is_refused(world, tmp_path):
    file = tmp_path / "toy.weights.h5"
    backbones.architecture("toy").save_weights(file)
    with pytest.raises(ValueError, match=r"toy has no layer edgs .did you mean edges"):
        inspect_signal(world.train_jpg, "toy", Start("transfer:edgs"), ModelOptions({"toy": file}), ONE)


def test_what_cannot_be_inspected_is_refused(world, model, tmp_path):
    for name, start, options, words in (
        ("toy", "he", NO_OPTIONS, "there is no start named he; choose one of imagenet"),
        ("toy", "grad", NO_OPTIONS, "scaled on the tags of training chips, .* inspect random"),
        ("toy", "stats", ModelOptions({"toy": tmp_path}), "is not a file"),
        ("toy", "random", ModelOptions({"toy": tmp_path}), "--weights has no effect"),
        ("tyo", "random", NO_OPTIONS, "did you mean toy"),
        ("toy@edgs", "random", NO_OPTIONS, "did you mean edges"),
        ("dinov2_vits14", "auto", NO_OPTIONS, "no rule for the layer tokens .* use the start random"),
        (str(model), "random", NO_OPTIONS, "has trained weights, which --init random would redraw"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            inspect_signal(world.train_jpg, name, Start(start), options, ONE)


def test_chips_that_are_too_few_or_damaged_are_refused(world, tmp_path):
    for number, chip in enumerate(sorted(world.train_jpg.glob("*.jpg"))[:3]):
        shutil.copy(chip, tmp_path / f"chip_{number}.jpg")
    with pytest.raises(ValueError, match="has 3 chips, and at least 4 are needed"):
        inspect_signal(tmp_path, "toy", Start("random"), NO_OPTIONS, ONE)
    (tmp_path / "chip_3.jpg").write_bytes((tmp_path / "chip_2.jpg").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"chip_3\.jpg"):
        inspect_signal(tmp_path, "toy", Start("random"), NO_OPTIONS, ONE)


def test_the_command_writes_its_files_and_refuses_in_one_line(world, model, run, tmp_path):
    files = ("-o", tmp_path / "a.csv", "--svg", tmp_path / "a.svg", "--html", tmp_path / "a.html")
    done = run("inspect", "signal", world.train_jpg, f"{model}@net", "--json", "--batch", 8, *files)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["layer"] for row in rows] == ["(input)", "edges", "shapes"]
    assert (tmp_path / "a.svg").read_text() in (tmp_path / "a.html").read_text()
    table = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert float(table[1]["measured mean"]) == pytest.approx(rows[1]["measured mean"], abs=1e-6)

    done = run("inspect", "signal", world.train_jpg, "toy", "--init", "transfer")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "write transfer:LAYER" in done.stderr

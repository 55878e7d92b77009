"""`amazon_tags search-layer`."""

import csv
import json
import tomllib
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from amazon_tags.evaluation.layer_report import COLUMNS, layer_svg, layer_text
from amazon_tags.model.recipe import recipe_from_json
from amazon_tags.training import members
from amazon_tags.training.layer_request import LayerRequest, layer_recipe, read_layer_data
from amazon_tags.training.search_layer import search_layer
from amazon_tags.training.training_data import TrainingSource
from features.networks import backbones, image_scales
from features.networks.backbone_shapes import BACKBONE_SHAPES, BackboneShape
from features.networks.backbone_table import Backbone

SIDE, CHIPS = 32, 64
STRIPED = 8  # every eighth chip
UNINFORMED = (7 + 5 / 9) / 8  # F2 of tagging no chip as striped
TOY = LayerRequest("toy", "none", epochs=1)


def planted(*, input_shape, include_top=False, weights=None):  # noqa: ARG001
    """Build three blocks: colours, differences of neighbours in both directions, and nothing."""
    maps = image = keras.Input(input_shape)
    maps = layers.Conv2D(3, 1, name="block1_conv")(maps)
    maps = layers.Conv2D(4, 3, padding="same", activation="relu", name="block2_difference")(maps)
    maps = layers.ReLU(name="block2_out")(layers.Conv2D(4, 1, name="block2_mix")(maps))
    maps = layers.ReLU(name="block3_out")(layers.Conv2D(4, 1, name="block3_conv")(maps))
    return keras.Model(image, maps, name="planted")


def plant(network):
    """Set the weights, so that the mean of the maps depends on stripes after the second block only."""
    across = np.zeros((3, 3))
    across[1] = [0, 200, -200]  # so large that the head learns in a few epochs
    kernels = [across, -across, across.T, -across.T]
    difference = np.stack([np.stack([kernel, 0 * kernel, 0 * kernel], axis=-1) for kernel in kernels], axis=-1)
    for name, kernel, bias in (
        ("block1_conv", np.eye(3)[np.newaxis, np.newaxis], 0),
        ("block2_difference", difference, 0),
        ("block2_mix", np.eye(4)[np.newaxis, np.newaxis], 0),
        ("block3_conv", np.zeros((1, 1, 4, 4)), -1),  # behind the ReLU neither values nor gradients are left
    ):
        layer = network.get_layer(name)
        layer.set_weights([kernel, np.full(layer.get_weights()[1].shape, bias)])


@pytest.fixture
def stripes(tmp_path, monkeypatch):
    """Chips with stripes, or an edge, in random colours and directions, and the planted backbone with its weights."""
    monkeypatch.setitem(BACKBONE_SHAPES, "planted", BackboneShape(SIDE, 4, {}, download=False))
    monkeypatch.setitem(backbones.BACKBONES, "planted", Backbone(planted, SIDE, image_scales.symmetric, 4))
    network = backbones.architecture("planted")
    plant(network)
    network.save_weights(tmp_path / "planted.weights.h5")

    (tmp_path / "chips").mkdir()
    rows = ["image_name,tags"]
    levels = np.random.default_rng(0).integers(0, 100, (CHIPS, 3))  # or rounding errors would tell stripes apart
    for number in range(CHIPS):
        chip = np.tile(levels[number].astype(np.uint8), (SIDE, SIDE, 1))
        chip[np.arange(SIDE) // (16 if number % STRIPED else 1) % 2 == 0] += 100
        chip = chip.transpose(1, 0, 2) if number // STRIPED % 2 else chip
        Image.fromarray(chip).save(tmp_path / "chips" / f"chip_{number}.png")
        rows.append(f"chip_{number},{'land' if number % STRIPED else 'land striped'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return TrainingSource(tmp_path / "chips", tmp_path / "labels.csv", "table")


def search(source, output, request, **changes):
    recipe = replace(layer_recipe(request), **changes)
    return search_layer(read_layer_data(source, request, recipe), output, recipe=recipe, request=request)


def test_probes_find_the_planted_block(stripes, tmp_path):
    request = LayerRequest("planted", str(tmp_path / "planted.weights.h5"), tuned=0)
    report = search(stripes, tmp_path / "layers.csv", request)
    assert [(row.layer, row.cost.parameters) for row in report.rows] == [
        ("block1_conv", 12),
        ("block2_out", 12 + 112 + 20),
        ("top", 12 + 112 + 20 + 20),
    ]
    places = SIDE * SIDE
    assert [row.cost.multiply_adds for row in report.rows] == [9 * places, 133 * places, 149 * places]
    assert report.rows[0].f2 <= UNINFORMED + 1e-9
    assert [row.f2 for row in report.rows[1:]] == [1, pytest.approx(UNINFORMED)]
    assert (report.method, report.layer) == ("frozen", "block2_out")
    assert 'Write backbone = "planted", layer = "block2_out" into the recipe' in report.verdict
    assert "89% of the multiply-adds of top" in report.verdict
    (member,) = recipe_from_json(tomllib.loads(report.member)).members
    assert (member.layer, member.head) == ("block2_out", "ridge")
    assert report.member.startswith("# train with --weights planted=")


@pytest.mark.slow
def test_layers_to_fine_tune_can_be_chosen_by_alignment(stripes, tmp_path, capsys):
    request = LayerRequest(
        "planted", str(tmp_path / "planted.weights.h5"), tuned=1, epochs=1, bank=tmp_path / "bank", screen="alignment"
    )
    recipe = layer_recipe(request)
    data = read_layer_data(stripes, request, recipe)
    report = search_layer(data, tmp_path / "layers.csv", recipe=replace(recipe, folds=2), request=request)
    assert [row.layer for row in report.rows if row.stage == 1] == ["block2_out"]
    assert "fine-tuning at block2_out (share of the tags explained early 0.4" in capsys.readouterr().err


@pytest.mark.slow
def test_fine_tuning_finds_the_planted_block_and_the_smallest_layer_in_it(stripes, tmp_path):
    request = LayerRequest("planted", str(tmp_path / "planted.weights.h5"), tuned=2, epochs=10)
    recipe = layer_recipe(request)
    quick = replace(recipe, folds=2, members=(replace(recipe.members[0], rate=0.02),))
    data = read_layer_data(stripes, request, recipe)
    report = search_layer(data, tmp_path / "layers.csv", recipe=quick, request=request)
    tuned = {row.layer: row for row in report.rows if row.method == "tuned"}
    other = next(layer for layer in tuned if not layer.startswith("block2"))
    stages = {layer: row.stage for layer, row in tuned.items()}
    assert stages == {"block2_out": 1, other: 1, "block2_difference": 2}
    assert tuned["block2_out"].f2 == tuned["block2_difference"].f2 == 1
    assert tuned[other].f2 <= UNINFORMED + 1e-9
    assert report.layer == "block2_difference"
    assert "smallest network within one standard error of the best, block2_out" in report.verdict
    (member,) = recipe_from_json(tomllib.loads(report.member)).members
    assert (member.layer, member.epochs) == ("block2_difference", 10)


@pytest.fixture(scope="module")
def source(world):
    return TrainingSource(world.train_jpg, world.labels)


@pytest.mark.slow
def test_a_stopped_search_goes_on_where_it_was(source, tmp_path, monkeypatch):
    trained = []
    train = members.fit_network

    def fit(settings, *arguments, **options):
        if len(trained) == 3:
            trained.append("stop")
            raise KeyboardInterrupt
        trained.append(settings.layer)
        return train(settings, *arguments, **options)

    monkeypatch.setattr(members, "fit_network", fit)
    with pytest.raises(KeyboardInterrupt):
        search(source, tmp_path / "layers.csv", TOY, folds=2)
    assert not (tmp_path / "layers.csv").exists()
    report = search(source, tmp_path / "layers.csv", TOY, folds=2)
    assert trained == ["edges", "edges", "top", "stop", "top"]
    assert [(row.stage, row.layer) for row in report.rows] == [(0, "edges"), (0, "top"), (1, "edges"), (1, "top")]
    assert not (tmp_path / "layers.csv.work").exists()


def test_the_text_the_csv_and_the_chart_have_every_layer(source, tmp_path):
    report = search(source, tmp_path / "layers.csv", LayerRequest("toy", "none", tuned=0, bank=tmp_path / "bank"))
    rows = list(csv.DictReader((tmp_path / "layers.csv").read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["layer"], row["multiply_adds"]) for row in rows] == [("edges", "135000"), ("top", "191448")]
    assert float(rows[0]["f2"]) == pytest.approx(report.rows[0].f2, abs=1e-6)
    text = layer_text(report)
    assert text.count("\n* ") == 1
    assert text.index(report.verdict) < text.index("[[members]]")
    assert all(f"<title>{row['layer']} " in layer_svg(report) for row in rows)
    assert len(list((tmp_path / "bank").iterdir())) == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (LayerRequest("mobilenet_v4"), "no backbone named mobilenet_v4 .did you mean mobilenet_v"),
        (LayerRequest("own.onnx"), "own.onnx is a network of your own, whose layers are not known"),
        (LayerRequest("efficientnet_lite0"), "no weights that can be downloaded"),
        (LayerRequest("dinov2_vits14", "none", side=8), "the side 8 is less than 14"),
        (LayerRequest("toy", "nowhere.h5"), "nowhere.h5 is not a file"),
    ],
)
def test_backbones_that_cannot_be_searched_are_refused(source, request_, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_layer_data(source, request_, layer_recipe(request_))


def test_too_few_chips_are_refused(world, tmp_path):
    (tmp_path / "few.csv").write_text("\n".join(world.labels.read_text().splitlines()[:4]) + "\n")
    with pytest.raises(ValueError, match="3 chips cannot make 5 folds"):
        read_layer_data(TrainingSource(world.train_jpg, tmp_path / "few.csv"), TOY, layer_recipe(TOY))


@pytest.mark.slow
def test_the_command_prints_json_and_writes_csv_and_svg(world, run, tmp_path):
    arguments = ("search-layer", world.train_jpg, world.labels, "--backbone", "toy", "-o", tmp_path / "layers.csv")
    done = run(*arguments, "--weights", "none", "--epochs", 1, "--tuned", 1, "--svg", tmp_path / "l.svg", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [row["stage"] for row in report["rows"]] == [0, 0, 1]
    assert "1 layers x 5 folds x 1 epochs, 192 chips through a network and back" in done.stderr
    assert (tmp_path / "l.svg").read_text().startswith("<svg")
    assert len((tmp_path / "layers.csv").read_text().splitlines()) == 4

"""A backbone of the user's own in embed, in leaks, and as a member of a recipe; its bundle predicts by itself."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from amazon_tags.datasets import sample
from amazon_tags.model import bundle, engine
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.training import preparation
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import read_bank
from features.images import chips, listing
from features.images.spec import ChipSpec
from features.networks import devices
from tests import own_networks as own

RECIPE = """
folds = 2
side = 64
[[members]]
kind = "frozen"
name = "own"
backbone = "nets/own.onnx"
head = "ridge"
shrink = 2
"""
LICENCE = 'licence = "CC0, drawn at random"\n'
WITHOUT_KERAS = """
import sys
sys.modules.update(dict.fromkeys(["keras", "tensorflow", "jax", "torch", "onnx"]))
from amazon_tags.cli import main
main()
"""


@pytest.fixture
def network(tmp_path):
    (tmp_path / "nets").mkdir()
    return own.write(tmp_path / "nets" / "own.onnx", toml=own.TOML + LICENCE)


@pytest.fixture
def recipe_file(tmp_path, network):  # noqa: ARG001  the recipe names the network
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def own_model(world, run, tmp_path_factory):
    """A bundle of one member with a backbone from a file, which is gone since."""
    home = tmp_path_factory.mktemp("own")
    (home / "nets").mkdir()
    path = own.write(home / "nets" / "own.onnx", toml=own.TOML + LICENCE)
    (home / "recipe.toml").write_text(RECIPE)
    done = run("train", world.train_jpg, world.labels, "-o", home / "model", "--recipe", home / "recipe.toml")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(path.parent)
    return home / "model"


def test_embed_writes_the_vectors_of_the_file_without_keras(world, network, tmp_path):
    command = [sys.executable, "-c", WITHOUT_KERAS, "embed", world.test_jpg, "--backbone", network, "-o"]
    done = subprocess.run([*map(str, command), str(tmp_path / "bank")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bank = read_bank(tmp_path / "bank")
    spec = ChipSpec(side=own.SIDE)
    pixels = np.stack([chips.load(path, spec) for path in listing.chips([world.test_jpg])])
    np.testing.assert_allclose(bank.vectors, own.vectors(pixels), rtol=1e-4, atol=1e-4)
    assert (bank.key.backbone, bank.key.side) == ("own.onnx", own.SIDE)


def test_a_bank_belongs_to_one_file_and_its_settings(world, network, tmp_path):
    extractor = FeatureExtractor(str(network))
    embed([world.test_jpg], tmp_path / "bank", extractor)
    assert embed([world.test_jpg], tmp_path / "bank", extractor).text.endswith("nothing to do")
    network.with_suffix(".toml").write_text(own.TOML.replace("0.4", "0.41"))
    with pytest.raises(FileExistsError, match="a feature bank of other chips, weights"):
        embed([world.test_jpg], tmp_path / "bank", extractor)


def test_a_network_of_four_bands_embeds_tifs(world, network, tmp_path):
    network.with_suffix(".toml").write_text(own.TOML.replace('"blue"', '"nir"'))
    assert embed([world.train_tif], tmp_path / "bank", FeatureExtractor(str(network))).text == "12 vectors of width 6"


@pytest.mark.parametrize(
    ("extractor", "message"),
    [
        ({"layer": "block1"}, "is a network of your own, so that --layer block1 has no effect"),
        ({"weights": "none"}, "is a network of your own, so that --weights none has no effect"),
        ({"side": 64}, "takes images of side 32, but the chips have side 64; use side 32"),
    ],
)
def test_options_of_our_own_backbones_are_refused_for_a_file(world, network, tmp_path, extractor, message):
    with pytest.raises(ValueError, match=message):
        embed([world.test_jpg], tmp_path / "bank", FeatureExtractor(str(network), **extractor))
    assert not (tmp_path / "bank").exists()


def test_a_bundle_with_a_backbone_from_a_file_predicts_by_itself_and_without_keras(own_model, world):
    command = [sys.executable, "-c", WITHOUT_KERAS, "predict", world.test_jpg, "--model", own_model]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 11
    assert {path.name for path in (own_model / "members" / "00-own").iterdir()} >= {"network.xml", "network.bin"}


def test_manifest_and_card_name_the_file_by_its_hash_and_licence(own_model, network):
    manifest = bundle.read_manifest(own_model)
    digest = shell_hash(network)
    assert manifest.started_from == {"own.onnx": digest}
    assert manifest.licences == {"own.onnx": "CC0, drawn at random"}
    assert manifest.read_recipe().members[0].backbone == "own.onnx"
    card = bundle.read_card(own_model)
    assert f"`own`: own.onnx, a network from a file (SHA-256 {digest[:16]}, licence: CC0, drawn at random)" in card


def shell_hash(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def test_a_gpu_is_refused_or_passed_over_for_a_backbone_from_a_file(own_model, monkeypatch, tmp_path):
    (tmp_path / "driver").touch()
    monkeypatch.setattr(engine, "DRIVERS", (tmp_path / "driver",))
    monkeypatch.setattr(devices, "count_accelerators", lambda: 1)
    manifest = bundle.read_manifest(own_model)
    assert engine.choose(manifest, device="auto", precision="f32").device == "cpu"
    with pytest.raises(ValueError, match="own has a backbone from a file, which Keras cannot run on a GPU"):
        engine.choose(manifest, device="gpu", precision="f32")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("side = 64", "side = 96", "takes images of side 32, but the chips have side 96, shrunk 2 times; use side 64"),
        ("shrink = 2", 'shrink = 2\nlayer = "top1"', "so that layer has no effect"),
        ("shrink = 2", 'shrink = 2\nweights = "none"', "so that weights has no effect"),
        ("shrink = 2", 'shrink = 2\npool = "max"', "so that pool has no effect"),
        ("own.onnx", "other.onnx", "other.onnx is not a file"),
    ],
)
def test_a_member_that_cannot_be_trained_is_refused_before_any_work(recipe_file, old, new, message):
    recipe_file.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        preparation.check_recipe(read_recipe(recipe_file), {})


def test_a_tuned_member_with_a_file_is_refused(recipe_file):
    recipe_file.write_text(RECIPE.replace('"frozen"', '"tuned"').replace('head = "ridge"', ""))
    with pytest.raises(ValueError, match='such a network cannot be trained further; write kind = "frozen"'):
        read_recipe(recipe_file)


def test_two_files_of_one_name_are_refused(recipe_file, network):
    (network.parent / "again").mkdir()
    own.write(network.parent / "again" / "own.onnx")
    second = RECIPE[RECIPE.index("[[") :].replace('"own"', '"two"').replace("nets/own", "nets/again/own")
    recipe_file.write_text(RECIPE + second)
    with pytest.raises(ValueError, match="have one name, by which a bundle stores them"):
        preparation.check_recipe(read_recipe(recipe_file), {})


def test_leaks_groups_a_rotated_copy_by_vectors_only(network, run, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    for number in range(12):
        tags = [["clear", "primary", "water"], ["haze", "primary", "road"], ["clear", "agriculture"]][number % 3]
        Image.fromarray(sample.render(tags, seed=number, side=64)).save(folder / f"chip_{number}.png")
    with Image.open(folder / "chip_4.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png")

    groups = {}
    for words in ((), ("--backbone", network, "--similarity", 0.999999)):
        done = run("leaks", folder, *words)
        assert done.returncode == 0, done.stderr
        groups[len(words)] = {row["image_name"]: row["group"] for row in csv.DictReader(done.stdout.splitlines())}
    assert groups[0]["turned"] == "turned"
    assert groups[4] == groups[0] | {"turned": "chip_4"}
    assert "1 pairs have similar vectors" in done.stderr


def test_leaks_takes_no_name_of_ours(run, world):
    done = run("leaks", world.test_jpg, "--backbone", "toy")
    assert done.returncode == 2
    assert "'toy' is neither an .onnx or .xml file nor hub:PRESET" in done.stderr


@pytest.mark.slow
def test_vectors_of_the_file_train_heads_and_are_tagged_by_them(world, network, run, tmp_path):
    for name, folder in (("train", world.train_jpg), ("test", world.test_jpg)):
        done = run("embed", folder, "--backbone", network, "-o", tmp_path / f"{name}.parquet")
        assert done.returncode == 0, done.stderr
    recipe = tmp_path / "whole.toml"
    recipe.write_text(RECIPE.replace("shrink = 2", "").replace("side = 64", f"side = {own.SIDE}"))
    model = tmp_path / "model"
    done = run("train", tmp_path / "train.parquet", world.labels, "-o", model, "--recipe", recipe)
    assert done.returncode == 0, done.stderr
    done = run("predict", "--vectors", tmp_path / "test.parquet", "--model", model)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + len(listing.chips([world.test_jpg]))

    done = run("predict", world.test_jpg, "--model", model)
    assert "embed CHIPS --backbone own.onnx --side 32 -o vectors.parquet" in done.stderr

    done = run("train", world.train_jpg, world.labels, "-o", tmp_path / "of_chips", "--recipe", recipe)
    assert done.returncode == 0, done.stderr
    done = run("predict", "--vectors", tmp_path / "test.parquet", "--model", tmp_path / "of_chips")
    assert done.returncode == 1
    assert "does not say by which settings those of own.onnx were computed" in done.stderr

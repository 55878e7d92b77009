"""`amazon_tags train` on a Parquet file of vectors."""

import json
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
from pyarrow import parquet as pq

from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.recipe import Recipe
from amazon_tags.retraining.retrain import retrain
from amazon_tags.tables import labels, score_tables
from amazon_tags.tagger import Tagger
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.preparation import TrainOptions
from amazon_tags.training.train import train
from amazon_tags.training.train_vectors import train_vectors
from amazon_tags.training.training_data import TrainingSource
from ensemble.networks.settings import FrozenMember, TunedMember
from features.networks import backbones
from tests.amazon_tags.retraining.jobs import write_job

RIDGE = FrozenMember("ridge", "toy", "ridge", weights="imagenet")
RECIPE = Recipe((RIDGE, replace(RIDGE, name="near", head="neighbours")), folds=2, side=64, decision="flat")


@pytest.fixture(scope="module")
def toy_weights(tmp_path_factory):
    """A weight file of the toy backbone."""
    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("toy_weights") / "toy.weights.h5"
    network = backbones.BACKBONES["toy"].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    network.save_weights(path)
    return path


@pytest.fixture(scope="module")
def vectors(world, toy_weights, tmp_path_factory):
    """Vectors of the world's training chips by the toy backbone."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.parquet"
    embed([world.train_jpg], path, FeatureExtractor("toy", weights=str(toy_weights)))
    return path


@pytest.fixture(scope="module")
def trained(world, vectors, tmp_path_factory):
    """A bundle trained on these vectors."""
    folder = tmp_path_factory.mktemp("trained_on_vectors") / "model"
    train_vectors(TrainingSource(vectors, world.labels), folder, recipe=RECIPE)
    return folder


@pytest.fixture
def unnamed(vectors, tmp_path):
    """The same vectors as another tool would write them."""
    table = pq.read_table(vectors).select(["vector", "image_name"]).replace_schema_metadata()
    pq.write_table(table.take(list(reversed(range(len(table))))), tmp_path / "other.parquet")
    return tmp_path / "other.parquet"


def test_heads_on_vectors_are_those_of_training_on_the_chips(world, trained, toy_weights, tmp_path):
    options = TrainOptions(weights={"toy": toy_weights})
    chips = train(TrainingSource(world.train_jpg, world.labels), tmp_path / "chips", recipe=RECIPE, options=options)
    manifest = bundle.read_manifest(trained)
    assert manifest.data.fingerprint == chips.data.fingerprint
    assert manifest.scores.f2 == chips.scores.f2
    for name in ("00-ridge", "01-near"):
        head = f"members/{name}/head.npz"
        assert (trained / head).read_bytes() == (tmp_path / "chips" / head).read_bytes()
    mine, other = (training_record.read(folder) for folder in (trained, tmp_path / "chips"))
    assert mine.hashes == other.hashes
    np.testing.assert_allclose(mine.scores, other.scores, atol=1e-6)
    np.testing.assert_array_equal(mine.tags, other.tags)


def test_the_bundle_states_its_backbone_and_has_no_network(trained):
    manifest = json.loads((trained / "manifest.json").read_text())
    assert manifest["format"] == 3
    assert manifest["vectors"]["width"] == 16
    origin = manifest["vectors"]["origin"]
    assert (origin["backbone"], origin["layer"], origin["pool"], origin["views"]) == ("toy", "top", "average", 1)
    assert manifest["started_from"] == {"toy": origin["weights"]}
    assert not list(trained.rglob("network*"))
    card = bundle.read_card(trained)
    assert "vectors of toy, layer top, pool average" in card
    assert "## Precision" not in card


def test_a_bundle_with_networks_keeps_its_format(model):
    manifest = json.loads((model / "manifest.json").read_text())
    assert manifest["format"] == 2
    assert "vectors" not in manifest


def test_the_bundle_is_verified_by_its_golden_vectors(trained, tmp_path):
    verified = bundle.verify(trained)
    assert verified.files == 8
    assert verified.bundle.golden_distance <= 1e-6
    registry.add(tmp_path / "models", trained)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in trained.rglob("*"):
        target = broken / path.relative_to(trained)
        target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
    (broken / "members/00-ridge/head.npz").write_bytes(b"PK")
    with pytest.raises(BundleError, match=r"head\.npz"):
        bundle.verify(broken)


def test_the_score_table_is_that_of_the_record(trained):
    table = trained.with_name("model.scores.parquet")
    ids, scores, names = score_tables.read_scores(table)
    assert ids == sorted(ids, key=lambda name: int(name.split("_")[1]))
    assert names == labels.PLANET.names
    np.testing.assert_array_equal(scores, training_record.read(trained).scores)


def test_the_same_vectors_give_the_same_bundle(world, vectors, trained, tmp_path):
    train_vectors(TrainingSource(vectors, world.labels), tmp_path / "again", recipe=RECIPE)
    for path in trained.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(trained)).read_bytes() == path.read_bytes()


def test_without_a_recipe_there_is_one_ridge_head(world, vectors, tmp_path, capsys):
    manifest = train_vectors(TrainingSource(vectors, world.labels), tmp_path / "model")
    (member,) = manifest.read_recipe().members
    assert (member.backbone, member.head, manifest.read_recipe().side) == ("toy", "ridge", 64)
    assert "vectors have no pixels" in capsys.readouterr().err


def test_vectors_of_an_unnamed_backbone_are_matched_by_width(world, unnamed, trained, tmp_path, capsys):
    manifest = train_vectors(TrainingSource(unnamed, world.labels), tmp_path / "model", recipe=RECIPE)
    assert "unnamed backbone" in capsys.readouterr().err
    assert manifest.vectors.origin is None
    assert manifest.vectors.width == 16
    assert "an unnamed backbone, 16 values a chip" in bundle.read_card(tmp_path / "model")
    head = "members/00-ridge/head.npz"  # the order of the file does not count
    assert (tmp_path / "model" / head).read_bytes() == (trained / head).read_bytes()
    assert len(set(training_record.read(tmp_path / "model").hashes)) == 48


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": (RIDGE, TunedMember("net", "toy"))}, r"1 of 2 members .* fine-tuned \(first: net\)"),
        ({"members": (replace(RIDGE, backbone="mobilenet_v2"),)}, "needs backbone mobilenet_v2, but .* backbone toy"),
        ({"members": (replace(RIDGE, layer="edges"),)}, "needs layer edges, but .* layer top"),
        ({"members": (replace(RIDGE, pool="max"),)}, "needs pool max, but .* pool average"),
        ({"members": (replace(RIDGE, sees="dehazed"),)}, "needs sees dehazed"),
        ({"members": (replace(RIDGE, weights="none"),)}, "random weights"),
        ({"members": (replace(RIDGE, head="rigde"),)}, "no head named rigde.*ridge"),
        ({"side": 128}, "needs side 128, but .* side 64"),
        ({"budget_ms": 3.0}, "budget"),
        ({"folds": 60}, "48 chips cannot make 60 folds"),
    ],
)
def test_recipes_that_need_more_than_these_vectors_are_refused(world, vectors, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        train_vectors(TrainingSource(vectors, world.labels), tmp_path / "model", recipe=replace(RECIPE, **change))
    assert not list(tmp_path.iterdir())


def test_a_side_that_no_recipe_has_is_refused_before_the_work(world, toy_weights, tmp_path):
    embed([world.train_jpg], tmp_path / "small.parquet", FeatureExtractor("toy", weights=str(toy_weights), side=28))
    with pytest.raises(ValueError, match="side is 28, but must lie in 32 to 1024"):
        train_vectors(TrainingSource(tmp_path / "small.parquet", world.labels), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["small.parquet"]


def test_retrain_refuses_a_current_model_that_takes_vectors(trained, tmp_path):
    write_job(tmp_path)
    registry.promote(tmp_path / "models", registry.add(tmp_path / "models", trained), why="a test")
    with pytest.raises(registry.RegistryError, match="takes vectors, but retrain compares models on chips"):
        retrain(tmp_path / "job.toml")


def test_labels_of_chips_without_vectors_are_refused_or_left_out(world, vectors, tmp_path, capsys):
    table = tmp_path / "labels.csv"
    table.write_text(world.labels.read_text() + "train_99,clear primary\n")
    with pytest.raises(ValueError, match=r"1 of 49 chips .* are missing .*train_99.*--skip-missing"):
        train_vectors(TrainingSource(vectors, table), tmp_path / "model", recipe=RECIPE)
    train_vectors(TrainingSource(vectors, table, skip_missing=True), tmp_path / "model", recipe=RECIPE)
    assert "they are left out" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "words"), [('{"format": 9, "version": "8.1"}', "format 9, .*8.1"), ("{", "damaged")])
def test_metadata_that_cannot_be_read_are_refused(world, vectors, tmp_path, text, words):
    table = pq.read_table(vectors).replace_schema_metadata({"amazon_tags": text})
    pq.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(ValueError, match=words):
        train_vectors(TrainingSource(tmp_path / "v.parquet", world.labels), tmp_path / "model", recipe=RECIPE)


def test_chips_are_refused_with_the_command_that_embeds_them(trained):
    with pytest.raises(ValueError, match="amazon_tags embed CHIPS --backbone toy --layer top") as error:
        Tagger.load(trained)
    assert "\n" not in str(error.value)


def test_a_bundle_without_networks_is_not_exported(trained, tmp_path):
    pytest.importorskip("onnx")
    from amazon_tags.model.onnx_file import OnnxError, export_onnx  # noqa: PLC0415  needs onnx

    with pytest.raises(OnnxError, match="takes vectors"):
        export_onnx(trained, tmp_path / "model.onnx")


@pytest.mark.slow
def test_the_command_trains_without_keras(world, vectors, tmp_path):
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('keras', 'tensorflow', 'h5py', 'albumentations', 'nncf')));"
        "from amazon_tags.cli import main; main()"
    )
    arguments = map(str, ("train", vectors, world.labels, "-o", tmp_path / "model"))
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "out of fold" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("--views", 2),
        ("--weights", "toy=labels"),
        ("--ground", 640),
        ("--bands", "red,green,blue"),
        ("--on-error", "skip"),
    ],
)
def test_options_that_need_chips_are_refused(world, vectors, run, tmp_path, words):
    words = [str(world.labels).join(str(word).split("labels")) for word in words]
    done = run("train", vectors, world.labels, "-o", tmp_path / "model", *words)
    assert done.returncode == 2
    assert words[0] in done.stderr.splitlines()[-1]
    assert "which have no pixels" in done.stderr.splitlines()[-1]

"""`amazon_tags predict --vectors`."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from amazon_tags.model import bundle, bundle_writer
from amazon_tags.model.recipe import Recipe, recipe_to_json
from amazon_tags.model.vector_origin import VectorOrigin, difference, from_metadata, to_metadata
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, tag_chips
from amazon_tags.prediction.tag_vectors import tag_vectors
from amazon_tags.tables.score_tables import read_scores
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.preparation import TrainOptions
from amazon_tags.training.train import train
from amazon_tags.training.train_vectors import train_vectors
from amazon_tags.training.training_data import TrainingSource
from ensemble.networks.settings import FrozenMember
from features.images.layout import Layout
from features.images.spec import ChipSpec
from features.networks import backbones

RIDGE = FrozenMember("ridge", "toy", "ridge")
RECIPE = Recipe((RIDGE, replace(RIDGE, name="near", head="neighbours")), folds=2, side=64, decision="flat")


@pytest.fixture(scope="module")
def home(world, tmp_path_factory):
    """A folder with weights of the toy backbone, vectors of the world's chips, and models of chips and of vectors."""
    home = tmp_path_factory.mktemp("vectors")
    weights = home / "toy.weights.h5"
    keras.utils.set_random_seed(1)
    backbones.BACKBONES["toy"].make(input_shape=(64, 64, 3), include_top=False, weights=None).save_weights(weights)
    extractor = FeatureExtractor("toy", weights=str(weights))
    embed([world.train_jpg], home / "train.parquet", extractor)
    embed([world.test_jpg], home / "test.parquet", extractor)
    embed([world.test_jpg], home / "edges.parquet", replace(extractor, layer="edges"))
    train_vectors(TrainingSource(home / "train.parquet", world.labels), home / "heads", recipe=RECIPE)
    options = TrainOptions(weights={"toy": weights})
    train(TrainingSource(world.train_jpg, world.labels), home / "networks", recipe=RECIPE, options=options)
    strip(home / "train.parquet", home / "unnamed_train.parquet")
    strip(home / "test.parquet", home / "unnamed.parquet")
    source = TrainingSource(home / "unnamed_train.parquet", world.labels)
    train_vectors(source, home / "unnamed_heads", recipe=RECIPE)
    return home


def strip(source: Path, target: Path) -> None:
    """Copy names and vectors as another tool would write them."""
    pq.write_table(pq.read_table(source).select(["image_name", "vector"]).replace_schema_metadata(), target)


def outputs(folder: Path) -> OutputPaths:
    return OutputPaths(folder / "tags.csv", folder / "scores.parquet")


def predict(vectors: Path, model: Path, folder: Path, like: Path | None = None) -> tuple[str, np.ndarray]:
    folder.mkdir(exist_ok=True)
    tag_vectors(vectors, outputs(folder), model=model, like=like)
    return (folder / "tags.csv").read_text(), read_scores(folder / "scores.parquet")[1]


def test_tags_of_vectors_are_those_of_their_chips(world, home, tmp_path):
    (tmp_path / "chips").mkdir()
    tag_chips(
        [world.test_jpg], outputs(tmp_path / "chips"), model=home / "networks", options=TagOptions(precision="f32")
    )
    tags, scores = (tmp_path / "chips/tags.csv").read_text(), read_scores(tmp_path / "chips/scores.parquet")[1]
    for model in ("heads", "networks"):
        mine = predict(home / "test.parquet", home / model, tmp_path / model)
        assert mine[0] == tags
        np.testing.assert_allclose(mine[1], scores, atol=1e-6)


def test_the_order_of_the_file_does_not_count(home, tmp_path):
    table = pq.read_table(home / "test.parquet")
    pq.write_table(table.take(list(reversed(range(len(table))))), tmp_path / "reversed.parquet", row_group_size=3)
    straight = predict(home / "test.parquet", home / "heads", tmp_path / "a")
    turned = predict(tmp_path / "reversed.parquet", home / "heads", tmp_path / "b")
    assert turned[0] == straight[0]
    np.testing.assert_array_equal(turned[1], straight[1])


def test_a_sample_submission_gives_rows_and_order(world, home, tmp_path):
    tags, _ = predict(home / "test.parquet", home / "heads", tmp_path / "out", like=world.sample)
    names = [line.partition(",")[0] for line in tags.splitlines()]
    assert names == [line.partition(",")[0] for line in world.sample.read_text().splitlines()]
    more = tmp_path / "more.csv"
    more.write_text("image_name,tags\ntest_1,clear\ntest_99,clear\n")
    with pytest.raises(ValueError, match="'test_99'"):
        predict(home / "test.parquet", home / "heads", tmp_path / "out", like=more)


@pytest.mark.parametrize(
    ("vectors", "model"), [("unnamed", "heads"), ("test", "unnamed_heads"), ("unnamed", "unnamed_heads")]
)
def test_vectors_of_an_unnamed_backbone_are_matched_by_width_and_said(home, tmp_path, capsys, vectors, model):
    named = predict(home / "test.parquet", home / "heads", tmp_path / "named")
    assert "unnamed" not in capsys.readouterr().err
    tags, _ = predict(home / f"{vectors}.parquet", home / model, tmp_path / "out")
    assert "unnamed backbone, and matched with others by their width of 16" in capsys.readouterr().err
    assert tags == named[0]


@pytest.mark.parametrize(
    ("vectors", "model", "words"),
    [
        ("edges", "heads", r"layer edges instead of top, .*--backbone toy --layer top"),
        ("edges", "networks", r"layer edges instead of top, "),
        ("edges", "unnamed_heads", r"width 8 instead of 16"),
        ("unnamed", "networks", r"does not say what computed its vectors.*embed the chips"),
    ],
)
def test_other_vectors_than_the_model_takes_are_refused(home, tmp_path, vectors, model, words):
    with pytest.raises(ValueError, match=words) as error:
        predict(home / f"{vectors}.parquet", home / model, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "out").iterdir())


def test_a_model_with_a_fine_tuned_network_refuses_vectors(home, model, tmp_path):
    with pytest.raises(ValueError, match=r"1 of its 2 members are fine-tuned.*\(first: net\)"):
        predict(home / "test.parquet", model, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer": "edges"}, "members need those of toy edges average, toy top average"),
        ({"shrink": 2}, "see other than the chips as they are"),
        ({"sees": "dehazed"}, "see other than the chips as they are"),
    ],
)
def test_a_model_of_several_or_other_networks_refuses_vectors(home, tmp_path, changes, words):
    folder = shutil.copytree(home / "networks", tmp_path / "model")
    recipe = replace(RECIPE, members=(RECIPE.members[0], replace(RECIPE.members[1], **changes)))
    bundle_writer.write_manifest(folder, replace(bundle.read_manifest(folder), recipe=recipe_to_json(recipe)))
    with pytest.raises(ValueError, match=words):
        predict(home / "test.parquet", folder, tmp_path / "out")


def test_a_model_on_random_weights_refuses_vectors(home, tmp_path):
    folder = shutil.copytree(home / "networks", tmp_path / "model")
    recipe = replace(RECIPE, members=tuple(replace(member, weights="none") for member in RECIPE.members))
    manifest = replace(bundle.read_manifest(folder), recipe=recipe_to_json(recipe), started_from={})
    bundle_writer.write_manifest(folder, manifest)
    with pytest.raises(ValueError, match="random weights"):
        predict(home / "test.parquet", folder, tmp_path / "out")


def test_an_output_never_replaces_the_vectors(home, tmp_path):
    vectors = Path(shutil.copy(home / "test.parquet", tmp_path / "v.parquet"))
    with pytest.raises(ValueError, match="is one of the inputs"):
        tag_vectors(vectors, OutputPaths(tmp_path / "tags.csv", vectors), model=home / "heads")


def test_an_origin_survives_its_metadata_and_every_difference_counts():
    origin = VectorOrigin(backbone="toy", weights="a" * 64, spec=ChipSpec(side=64, layout=Layout(("red",), "8bit")))
    assert from_metadata(Path("v.parquet"), to_metadata(origin)) == origin
    assert difference(origin, origin) == ""
    assert difference(origin, replace(origin, spec=ChipSpec(side=64))) == ""
    changes = {"backbone": "x", "layer": "x", "pool": "max", "weights": "b" * 64, "views": 2, "spec": ChipSpec(side=32)}
    for name, value in changes.items():
        assert difference(origin, replace(origin, **{name: value})).startswith("side" if name == "spec" else name)


def test_half_vectors_give_nearly_the_same_scores(home, tmp_path):
    table = pq.read_table(home / "test.parquet")
    half = table.column("vector").combine_chunks().flatten().to_numpy().astype(np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(half), 16)
    pq.write_table(table.set_column(2, "vector", column), tmp_path / "half.parquet")
    full = predict(home / "test.parquet", home / "heads", tmp_path / "a")
    mine = predict(tmp_path / "half.parquet", home / "heads", tmp_path / "b")
    np.testing.assert_allclose(mine[1], full[1], atol=2e-3)


@pytest.mark.slow
def test_options_that_need_chips_are_refused_with_vectors(world, home, run, tmp_path):
    vectors = ("predict", "--vectors", home / "test.parquet", "--model", home / "heads")
    for words in (("--views", 2), ("--on-error", "fill"), ("--checkpoint", tmp_path / "c"), ("--precision", "int8")):
        done = run(*vectors, *words)
        assert done.returncode == 2
        assert f"{words[0]} cannot be used with vectors" in done.stderr.splitlines()[-1]
    for words in (("predict",), (*vectors, world.test_jpg)):
        done = run(*words)
        assert done.returncode == 2
        assert "either CHIPS, or a file of their vectors" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_chips_are_refused_by_a_model_of_vectors_in_one_line(world, home, run):
    done = run("predict", world.test_jpg, "--model", home / "heads")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "amazon_tags embed CHIPS --backbone toy" in line

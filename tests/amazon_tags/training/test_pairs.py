"""Pairs of chips of two dates from end to end: a table of pairs, train, predict, and what is refused."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from amazon_tags.model import bundle
from amazon_tags.model.manifest import PAIR_FORMAT
from amazon_tags.model.recipe import recipe_from_json, recipe_to_json
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.tables import score_tables
from amazon_tags.training.fingerprints import hash_chips
from amazon_tags.training.golden import golden_chips
from amazon_tags.training.members import fit_member, score_unit
from amazon_tags.training.preparation import TrainOptions, check_recipe, chip_spec, prepare_data
from amazon_tags.training.train import make_examples
from amazon_tags.training.training_data import TrainingSource, read_training_data
from features.images.date_pair import DatePair

SIDE, PAIRS = 32, 48
RECIPE = """
folds = 2
side = 32
decision = "flat"
[[members]]
kind = "tuned"
name = "net"
backbone = "toy"
weights = "none"
rate = 1e-2
batch = 8
epochs = 20
dropout = 0.0
"""


def write_chip(path, rng, *, is_cleared):
    """Draw forest, of another brightness on each date, and perhaps a clearing anywhere in it."""
    pixels = rng.normal((40, 90, 50), 8, (SIDE, SIDE, 3))
    if is_cleared:
        row, column = rng.integers(0, SIDE - 12, 2)
        pixels[row : row + 12, column : column + 12] = rng.normal((170, 130, 90), 8, (12, 12, 3))
    Image.fromarray((pixels + rng.normal(0, 10)).clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Places that were cleared at none of two dates, at one or at both; `new` says that only the later one shows it."""
    folder, rng = tmp_path_factory.mktemp("places"), np.random.default_rng(0)
    (folder / "chips").mkdir()
    rows = {"pairs": [("image_name", "before", "after", "tags")], "later": [("image_name", "tags")]}
    for number in range(PAIRS):
        cleared = number % 4 in (1, 3), number % 4 in (2, 3)
        for date, is_cleared in zip("ab", cleared, strict=True):
            write_chip(folder / "chips" / f"{date}{number}.png", rng, is_cleared=is_cleared)
        tags = "forest new" if cleared == (False, True) else "forest"
        rows["pairs"].append((f"place_{number}", f"a{number}", f"b{number}.png", tags))
        rows["later"].append((f"b{number}", tags))
    for name, table in rows.items():
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(table)
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def model(places, run):
    """A bundle of pairs that the command wrote."""
    options = ("--pairs", places / "pairs.csv", "--labels", "table", "--recipe", places / "recipe.toml")
    done = run("train", places / "chips", *options, "-o", places / "model")
    assert done.returncode == 0, done.stderr
    return places / "model"


def precision_of_new(truth, scores, space):
    column = space.names.index("new")
    return average_precision_score(truth[:, column], scores[:, column])


def test_what_lies_only_in_the_difference_is_learnt_from_pairs_but_not_from_one_date(places, model, tmp_path):
    recipe = read_recipe(places / "recipe.toml")
    data = read_training_data(TrainingSource(places / "chips", places / "later.csv", "table"), 2)
    single = fit_member(recipe.members[0], make_examples(data, recipe, TrainOptions()), tmp_path).scores[0]
    names, scores, _ = score_tables.read_scores(model.with_name("model.scores.csv"), data.space)
    assert names == [f"place_{number}" for number in range(PAIRS)]  # in the order of the later chips
    assert precision_of_new(data.truth, scores, data.space) > 0.8
    assert precision_of_new(data.truth, single, data.space) < 0.75  # half of the chips with a clearing have the tag


def test_the_bundle_says_that_it_takes_pairs_and_older_versions_refuse_it(model):
    manifest = bundle.read_manifest(model)
    assert (manifest.format, manifest.spec.dates) == (PAIR_FORMAT, 2)
    assert manifest.to_json()["format"] not in (1, 2, 3)
    assert manifest.read_recipe().dates == 2
    assert "two dates" in bundle.read_card(model)
    golden = golden_chips(manifest.spec)
    assert golden.shape[1:] == (SIDE, SIDE, 6)


def test_pairs_are_tagged_by_a_row_each_also_from_a_checkpoint(places, model, run, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("image_name,before,after\nfirst,a2,b2\nsecond,b2,a2\n")
    base = ("predict", places / "chips", "--pairs", table, "--model", model, "--precision", "f32")
    done = run(*base, "--scores", tmp_path / "scores.csv", "--checkpoint", tmp_path / "kept")
    assert done.returncode == 1
    assert "lines 2 and 3: 'first' and 'second' have the same two chips" in done.stderr

    table.write_text("image_name,before,after\nsecond,a1,b1\nfirst,a2,b2\n")
    plain = run(*base, "--scores", tmp_path / "scores.csv")
    assert plain.returncode == 0, plain.stderr
    assert [line.split(",")[0] for line in plain.stdout.splitlines()] == ["image_name", "first", "second"]
    for _ in range(2):  # the second run reads the checkpoint
        assert run(*base, "--checkpoint", tmp_path / "kept").stdout == plain.stdout
    assert run(*base, "--checkpoint", tmp_path / "shards", "--shard", "1/1").returncode == 0
    assert run("merge", tmp_path / "shards", "--model", model).stdout == plain.stdout

    loaded = bundle.load(model)
    _, scores, _ = score_tables.read_scores(tmp_path / "scores.csv", loaded.space)
    pixels = [np.asarray(Image.open(places / "chips" / name)) for name in ("a2.png", "b2.png", "a1.png", "b1.png")]
    stacked = np.stack([np.concatenate(pixels[:2], axis=2), np.concatenate(pixels[2:], axis=2)])
    expected = loaded.scores([network(stacked)[np.newaxis] for network in loaded.networks])
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_bundle_of_pairs_is_refused_in_one_line_where_chips_are_single(places, model, run, tmp_path):
    chips, page = places / "chips", tmp_path / "page.html"
    refused = {
        ("predict", chips, "--model", model): "predict --pairs TABLE",
        ("predict", chips, "--pairs", places / "pairs.csv"): "leave --pairs out",  # the model in the package
        ("predict", chips, "--model", model, "--pairs", places / "pairs.csv", "--html", page): "--html is for single",
        ("bundle", "export", model, "-o", tmp_path / "model.onnx"): "takes pairs of chips",
        ("inspect", "explain", chips / "a0.png", "--model", model, "--html", page): "takes pairs of chips",
        ("report", model, "-o", page, "--chips", chips): "leave --chips out",
    }
    for words, message in refused.items():
        done = run(*words)
        assert done.returncode in (1, 2), words
        assert message in done.stderr.splitlines()[-1], words
    assert not page.exists()
    assert run("bundle", "verify", model).returncode == 0
    assert run("report", model, "-o", page).returncode == 0


def test_labels_of_pairs_may_lie_in_another_table_and_pairs_that_share_a_chip_are_one_group(places, tmp_path):
    (tmp_path / "pairs.csv").write_text("image_name,before,after\np,a0,b0\nq,b0,b1\nr,a2,b2\ns,a3,b3\n")
    (tmp_path / "labels.csv").write_text("image_name,tags\np,forest\nq,new\nr,forest\n")
    (tmp_path / "groups.csv").write_text(
        "image_name,group\n" + "".join(f"{date}{row},{max(row, 2)}\n" for date in "ab" for row in range(4))
    )
    source = TrainingSource(places / "chips", tmp_path / "labels.csv", "table", pairs=tmp_path / "pairs.csv")
    data = read_training_data(source, 1)
    assert [path.name for path in data.paths] == ["p", "q", "r"]
    assert data.groups.tolist() == ["p", "p", "r"]
    assert len(set(data.hashes) | set(hash_chips([places / "chips/a0.png"]).values())) == 4
    grouped = read_training_data(replace(source, groups=tmp_path / "groups.csv"), 1)
    assert grouped.groups.tolist() == ["p", "p", "p"]  # the chips of r are in the group of b1

    reversed_pair = DatePair("p", data.paths[0].after, data.paths[0].before)
    assert hash_chips([reversed_pair])[reversed_pair] not in data.hashes


def test_what_pairs_cannot_have_is_refused_before_any_work(places, tmp_path):
    recipe = read_recipe(places / "recipe.toml")
    paired = recipe.reading(None, "auto", paired=True)
    source = TrainingSource(places / "chips", places / "later.csv", "table")
    with pytest.raises(ValueError, match="--pairs"):
        prepare_data(source, recipe=paired, options=TrainOptions())
    with pytest.raises(ValueError, match="--unlabelled"):
        whole = replace(source, pairs=places / "pairs.csv", unlabelled=(places / "chips",))
        prepare_data(whole, recipe=paired, options=TrainOptions())
    with pytest.raises(ValueError, match="the column tags is missing"):
        (tmp_path / "pairs.csv").write_text("image_name,before,after\np,a0,b0\n")
        table = tmp_path / "pairs.csv"
        read_training_data(TrainingSource(places / "chips", table, "planet", pairs=table), 1)

    stacked = replace(recipe, members=(replace(recipe.members[0], pairs="stacked"),))
    check_recipe(replace(stacked, dates=2), {})
    assert recipe_from_json(recipe_to_json(replace(stacked, dates=2))) == replace(stacked, dates=2)
    with pytest.raises(ValueError, match='pairs = "stacked", which has no effect on single chips'):
        check_recipe(stacked, {})
    assert chip_spec(paired).dates == 2


@pytest.mark.slow
@pytest.mark.parametrize("pairs", ["bottleneck", "stacked"])
def test_the_other_ways_to_join_dates_learn_the_difference_too(places, pairs, tmp_path):
    recipe = read_recipe(places / "recipe.toml").reading(None, "auto", paired=True)
    source = TrainingSource(places / "chips", places / "pairs.csv", "table", pairs=places / "pairs.csv")
    data = read_training_data(source, 2)
    examples = make_examples(data, recipe, TrainOptions())
    member = replace(recipe.members[0], pairs=pairs, epochs=40)
    scores = score_unit(member, examples, tmp_path, 0)[0]
    assert precision_of_new(data.truth[examples.fold == 0], scores, data.space) > 0.8

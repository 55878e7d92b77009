"""What is refused before a training starts, and before Keras is imported."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from amazon_tags.model.recipe import Recipe
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.preparation import TrainOptions, check_recipe, prepare, refuse_few_chips
from amazon_tags.training.training_data import TrainingSource
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images.chips import ChipError

IMPORTED = """
import sys
from amazon_tags import cli
try:
    cli.main()
finally:
    print("imported:", *{"keras", "tensorflow", "jax", "torch"} & set(sys.modules))
"""


@pytest.fixture
def few(world, tmp_path):
    """Five chips and their labels."""
    (tmp_path / "five").mkdir()
    lines = world.labels.read_text().splitlines()[:6]
    for line in lines[1:]:
        shutil.copy(world.train_jpg / f"{line.split(',')[0]}.jpg", tmp_path / "five")
    (tmp_path / "five.csv").write_text("\n".join(lines) + "\n")
    return TrainingSource(tmp_path / "five", tmp_path / "five.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 6}, r"^5 chips cannot make 6 folds; give at least 6 chips, or write fewer folds"),
        ({"decision": "chosen"}, r"^5 chips are too few for decision = .chosen.* at least 7 chips, or .*= .flat."),
        ({"second": "chosen"}, r"^5 chips are too few for second = .chosen.* at least 6 chips, or .*= .mean."),
    ],
)
def test_too_few_chips_for_the_folds_of_a_recipe_are_refused(few, recipe_file, tmp_path, change, message):
    recipe = replace(read_recipe(recipe_file), **change)
    with pytest.raises(ValueError, match=message):
        prepare(few, tmp_path / "model", recipe=recipe, options=TrainOptions())


def test_too_few_groups_are_refused_in_chips_and_groups(few, recipe_file, tmp_path):
    groups = tmp_path / "groups.csv"
    names = [line.split(",")[0] for line in few.table.read_text().splitlines()[1:]]
    groups.write_text("image_name,group\n" + "".join(f"{name},one\n" for name in names))
    with pytest.raises(ValueError, match=r"^5 chips in 1 groups cannot make 2 folds; give at least 2 groups"):
        source = replace(few, groups=groups)
        prepare(source, tmp_path / "model", recipe=read_recipe(recipe_file), options=TrainOptions())


@pytest.mark.parametrize(
    "change", [{"decision": "cuts"}, {"decision": "flat"}, {"second": "geometric"}, {"second": "ridge"}]
)
def test_five_chips_are_enough_where_nothing_is_chosen(few, recipe_file, tmp_path, change, capsys):
    recipe = replace(read_recipe(recipe_file), **change)
    assert len(prepare(few, tmp_path / "model", recipe=recipe, options=TrainOptions()).paths) == 5
    assert "5 chips measure little: expect F2 to be uncertain by about 0.18" in capsys.readouterr().err


def test_one_member_needs_no_folds_for_a_second_level(few, recipe_file, tmp_path):
    recipe = replace(read_recipe(recipe_file), second="chosen", ship=("net",))
    data = prepare(few, tmp_path / "model", recipe=recipe, options=TrainOptions())
    refuse_few_chips(data, recipe)


def test_unusable_chips_are_left_out_and_listed(few, recipe_file, tmp_path):
    whole = prepare(few, tmp_path / "m", recipe=read_recipe(recipe_file), options=TrainOptions())
    damaged = sorted(few.chips.iterdir())[1]
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(ChipError, match=f"{damaged.name} is a damaged"):
        prepare(few, tmp_path / "m", recipe=read_recipe(recipe_file), options=TrainOptions())
    options = TrainOptions(unusable=tmp_path / "errors.jsonl")
    data = prepare(few, tmp_path / "m", recipe=read_recipe(recipe_file), options=options)
    (entry,) = map(json.loads, options.unusable.read_text().splitlines())
    assert (data.unusable, entry["file"]) == (1, str(damaged))
    assert data.paths == [path for path in whole.paths if path != damaged]
    assert data.truth.shape == (4, 17)
    assert data.fingerprint != whole.fingerprint


def test_if_no_chip_can_be_used_the_first_error_is_reported(few, recipe_file, tmp_path):
    for path in few.chips.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"none of the 5 chips can be used \(first: .*five"):
        options = TrainOptions(unusable=tmp_path / "errors.jsonl")
        prepare(few, tmp_path / "model", recipe=read_recipe(recipe_file), options=options)


@pytest.mark.parametrize(
    ("member", "side", "message"),
    [
        (
            FrozenMember("m", "efficientnet_lite0", layer="block6a"),
            64,
            r"named block6a \(did you mean block6a_expand\?",
        ),
        (FrozenMember("m", "efficientnet_lite0", layer="block6a_expnd"), 64, r"\(did you mean block6a_expand\?"),
        (FrozenMember("m", "dinov2"), 56, r"there is no backbone named dinov2 \(did you mean dinov2_vits14\?"),
        (
            FrozenMember("m", "efficientnet_lite0", pool="class"),
            64,
            "needs a class token, which efficientnet_lite0 does",
        ),
        (
            TunedMember("m", "dinov2_vits14", init="auto"),
            56,
            "m has init auto, which has no rule for the attention of dinov2_vits14; write init",
        ),
        (
            TunedMember("m", "dinov2_vits14", progressive=0.5),
            26,
            "the side 26 is less than 28, a patch of dinov2_vits14; use a side of 28 or more",
        ),
        (
            TunedMember("m", "phresnet18", components=2),
            64,
            "components 2 does not divide the 3 bands that phresnet18 sees; choose one of 1, 3, or 0",
        ),
        (
            TunedMember("m", "vgg16", components=3),
            64,
            "components 3 has no effect on vgg16; remove it, or choose one of phresnet18, phresnet50",
        ),
    ],
)
def test_members_that_do_not_fit_their_backbone_are_refused(member, side, message):
    with pytest.raises(ValueError, match=message) as refusal:
        check_recipe(Recipe((replace(member, weights="none"),), side=side), {})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("layer", "init", "message"),
    [
        (
            "top",
            "transfer:block6a",
            r"no layer block6a \(did you mean block6a_\w+\?\); its 140 layers begin with stem_conv",
        ),
        (
            "block2b_add",
            "transfer:top_conv",
            "efficientnet_lite0 up to block2b_add has no layer top_conv .*; its 25 layers begin",
        ),
    ],
)
def test_a_start_that_keeps_an_unknown_layer_is_refused(layer, init, message, recipe_file):
    recipe = Recipe((TunedMember("m", "efficientnet_lite0", layer=layer, init=init),))
    with pytest.raises(ValueError, match=message) as refusal:
        check_recipe(recipe, {"efficientnet_lite0": recipe_file})
    assert "\n" not in str(refusal.value)


def test_a_random_start_needs_no_weights_and_refuses_those_that_are_given(recipe_file):
    recipe = Recipe((TunedMember("m", "efficientnet_lite0", init="random"),))
    check_recipe(recipe, {})
    with pytest.raises(ValueError, match="for efficientnet_lite0, but every member with this backbone starts from ran"):
        check_recipe(recipe, {"efficientnet_lite0": recipe_file})


def test_a_misspelt_backbone_of_a_weight_file_is_named_before_its_missing_weights(recipe_file):
    recipe = Recipe((FrozenMember("m", "efficientnet_lite0"),))
    with pytest.raises(ValueError, match=r"no backbone in the recipe named efficientnet_lite \(did you mean eff"):
        check_recipe(recipe, {"efficientnet_lite": recipe_file})
    with pytest.raises(ValueError, match="efficientnet_lite0 has no weights that can be downloaded; pass a file"):
        check_recipe(recipe, {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "CHIPS", "BAD", "-o", "OUT"), "images are repeated"),
        (("train", "CHIPS", "OTHER", "-o", "OUT"), "are missing from"),
        (("train", "CHIPS", "TABLE", "-o", "OUT", "--recipe", "BAD"), "bad.csv"),
        (("train", "CHIPS", "TABLE", "-o", "OUT", "--recipe", "frozen", "--weights", "mobilenet_v3_small=BAD"), "HDF5"),
        (("train", "CHIPS", "TABLE", "-o", "CHIPS"), "is never overwritten"),
        (("train", "CHIPS", "TABLE", "-o", "OUT", "--labels", "SPACE"), "is not a label space"),
        (("train", "CHIPS", "TABLE", "-o", "OUT", "--recipe", "ensemble"), "too few"),
        (("embed", "CHIPS", "-o", "OUT", "--backbone", "mobilenetv2"), "did you mean mobilenet_v2?"),
        (("embed", "CHIPS", "-o", "OUT", "--backbone", "toy", "--weights", "BAD"), "is not a readable HDF5 file"),
        (("embed", "CHIPS", "-o", "OUT", "--backbone", "dinov2_vits14"), "no weights that can be downloaded"),
        (("embed", "CHIPS", "-o", "OUT", "--backbone", "dinov2_vits14", "--side", "9"), "use a side of 14 or more"),
        (("embed", "CHIPS", "-o", "CHIPS", "--backbone", "toy"), "is no feature bank"),
        (("search-layer", "CHIPS", "TABLE", "-o", "OUT", "--backbone", "mobilenetv2"), "did you mean mobilenet_v2?"),
        (("search-layer", "CHIPS", "TABLE", "-o", "OUT", "--backbone", "toy", "--weights", "BAD"), "HDF5"),
        (("retrain", "JOB"), "images are repeated"),
        (("retrain", "BAD"), "bad.csv"),
    ],
)
def test_errors_come_before_keras(few, tmp_path, words, message):
    header, *rows = few.table.read_text().splitlines()
    texts = {
        "bad.csv": [header, rows[0], rows[0]],
        "other.csv": [header, "elsewhere,road"],
        "space.toml": ["labels = 3"],
        "job.toml": ["[[data]]", 'chips = "five"', 'table = "bad.csv"'],
    }
    for name, lines in texts.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    paths = {"CHIPS": few.chips, "TABLE": few.table, "OUT": tmp_path / "model", "JOB": tmp_path / "job.toml"}
    paths |= {"BAD": tmp_path / "bad.csv", "OTHER": tmp_path / "other.csv", "SPACE": tmp_path / "space.toml"}
    parts = [word.split("=") for word in words]
    arguments = ["=".join(str(paths.get(part, part)) for part in word) for word in parts]
    done = subprocess.run([sys.executable, "-c", IMPORTED, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "imported:"), done.stderr
    assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "member", [FrozenMember("m", "mobilenet_v2_035"), TunedMember("m", "mobilenet_v2_035")], ids=["frozen", "tuned"]
)
def test_a_member_may_end_at_any_layer_that_the_architecture_names(member):
    check_recipe(Recipe((replace(member, layer="block_2_depthwise_relu"),)), {})
    with pytest.raises(
        ValueError, match=r"no layer of mobilenet_v2_035 named block_2_ad .did you mean block_2_add.*153 layers"
    ):
        check_recipe(Recipe((replace(member, layer="block_2_ad"),)), {})


def test_an_unknown_layer_is_refused_before_any_chip_is_read(tmp_path):
    """The layers beside those of the table are known to Keras alone."""
    missing = FeatureExtractor("toy", layer="edge", weights="none")
    with pytest.raises(ValueError, match=r"no layer of toy named edge .did you mean edges\?.; it may end at top"):
        embed([tmp_path / "nowhere"], tmp_path / "bank", missing)

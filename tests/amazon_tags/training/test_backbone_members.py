"""Members with EfficientNet-Lite, DINOv2 and a redrawn CBR, from chips to tags, and weight files that end `train`.

One of their layers is in the table of backbones, and two are not.
"""

import numpy as np
import pytest

from amazon_tags.model import bundle, decision_file
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.tables import score_tables
from amazon_tags.training.network_files import member_network
from amazon_tags.training.train import train
from amazon_tags.training.training_data import TrainingSource
from ensemble.networks.rebuild import RebuildTarget, rebuild_network
from ensemble.networks.settings import FrozenMember
from features.images import chips, listing
from features.networks import backbones, openvino_runtime

RECIPE = """
folds = 2
side = 42
decision = "flat"
[[members]]
kind = "frozen"
name = "lite"
backbone = "efficientnet_lite0"
layer = "block3a_dw"
weights = "none"
head = "ridge"
[[members]]
kind = "frozen"
name = "dino"
backbone = "dinov2_vits14"
layer = "block1"
pool = "class"
weights = "none"
head = "ridge"
[[members]]
kind = "tuned"
name = "redrawn"
backbone = "cbr_tiny"
layer = "block2_pool"
init = "random"
epochs = 1
"""
WIDTHS = {"lite": 144, "dino": 384, "redrawn": 17}


@pytest.mark.slow
def test_members_of_these_backbones_go_from_chips_to_tags(world, run, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "few.csv").write_text("\n".join(world.labels.read_text().splitlines()[:17]) + "\n")
    source = TrainingSource(world.train_jpg, tmp_path / "few.csv")
    manifest = train(source, tmp_path / "model", recipe=read_recipe(tmp_path / "recipe.toml"))
    assert bundle.verify(tmp_path / "model").files > 7

    pixels = np.stack([chips.load(path, manifest.spec) for path in listing.chips([world.test_jpg])])
    target = RebuildTarget(manifest.spec, 17, decision_file.rules(manifest.space).groups, "float32")
    for number, settings in enumerate(manifest.read_recipe().members):
        folder = tmp_path / "model" / "members" / f"{number:02}-{settings.name}"
        outputs = rebuild_network(settings, folder / "network.weights.h5", target)(pixels)
        assert outputs.shape == (len(pixels), WIDTHS[settings.name])
        tolerance = 1e-4 * np.abs(outputs).max()
        np.testing.assert_allclose(openvino_runtime.load(*member_network(folder))(pixels), outputs, atol=tolerance)
        if isinstance(settings, FrozenMember):
            assert np.ptp(outputs, axis=0).max() > 100 * tolerance  # the vectors depend on the chip

    table = tmp_path / "scores.parquet"
    arguments = ("predict", world.test_jpg, "--model", tmp_path / "model", "--precision", "f32", "--scores", table)
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    ids, scores, names = score_tables.read_scores(table)
    assert dict(row.split(",") for row in done.stdout.splitlines()[1:]) == {
        name: " ".join(tag for tag, score in zip(names, row, strict=True) if score > 0.2)
        for name, row in zip(ids, scores, strict=True)
    }


def write_weights(path):
    """Write a weight file of the backbone `toy` with the fault that its name says, or one of another backbone."""
    name = "efficientnet_lite0" if path.name.startswith("another") else "toy"
    network = backbones.BACKBONES[name].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    if path.suffix == ".h5":
        network.save_weights(path)
    else:
        arrays = {variable.path: variable.numpy() for variable in network.variables}
        if path.name.startswith("objects"):
            arrays["edges/kernel"] = np.array([None, {}], dtype=object)
        np.savez(path, **arrays)
    if path.name.startswith("truncated"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("another.weights.h5", "holds 3,413,024 weights, but toy needs"),
        ("truncated.weights.h5", "is not a readable HDF5 file"),
        (
            "another.npz",
            "lacks 4 arrays (the first is edges/kernel) and has further 245 arrays (the first is stem_conv",
        ),
        ("objects.npz", "is not a readable .npz archive"),
        ("truncated.npz", "is not a readable HDF5 file or .npz archive"),
    ],
)
def test_weight_files_that_do_not_fit_end_train_with_one_line(world, run, recipe_file, tmp_path, file, message):
    write_weights(tmp_path / file)  # test_weights.py has further faults
    arguments = ("train", world.train_jpg, world.labels, "-o", tmp_path / "model", "--recipe", recipe_file)
    done = run(*arguments, "--weights", f"toy={tmp_path / file}")
    assert done.returncode == 1
    *_, line = done.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path / file} ")
    assert message in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()

"""Pretrain on the rendered world, use the folder wherever a backbone is named, and refuse what cannot be used."""

import json
import re
import shutil
import subprocess
import sys
import time

import pytest
from PIL import Image

from amazon_tags.files import preflight
from amazon_tags.model.backbone_folder import read_backbone_folder
from amazon_tags.pretraining.pretrain_chips import PretrainInput, open_chips
from amazon_tags.pretraining.pretrain_request import PretrainRequest, check_request
from amazon_tags.pretraining.pretrain_run import pretrain_backbone
from features.pretraining.settings import PretrainSettings
from tests.scene_files import noise, write_scene

OPTIONS = ("--backbone", "toy", "--side", 48, "--epochs", 2, "--batch", 16)
RECIPE = """
folds = 2
side = 48
[[members]]
kind = "tuned"
name = "tuned"
backbone = "{folder}"
epochs = 1
[[members]]
kind = "frozen"
name = "frozen"
backbone = "{folder}"
head = "ridge"
"""


@pytest.fixture(scope="module")
def backbone(world, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained") / "backbone"
    done = run("pretrain", world.train_jpg, "--method", "simclr", *OPTIONS, "-o", folder, "--note", "rendered")
    assert done.returncode == 0, done.stderr
    assert re.search(r"epoch 2.0 of 2 \(batch 6 of 6\): loss [\d.]+, spread [\d.]+", done.stderr)
    assert not folder.with_name("backbone.work").exists()
    return folder


def test_the_folder_holds_weights_a_card_and_a_picture(backbone):
    found = read_backbone_folder(backbone)
    assert sorted(found.manifest.files) == ["card.md", "neighbours.png", "network.weights.h5"]
    assert (found.manifest.backbone, found.manifest.spec.side, found.manifest.chips) == ("toy", 48, 48)
    card = (backbone / "card.md").read_text()
    assert "SimCLR" in card
    assert "rendered" in card
    assert found.manifest.fingerprint in card
    with Image.open(backbone / "neighbours.png") as picture:
        assert picture.size[0] > 7 * 128


def test_the_folder_stands_for_its_backbone(backbone, world, run, tmp_path):
    table = tmp_path / "vectors.parquet"
    done = run("embed", world.test_jpg, "--backbone", backbone, "-o", table)
    assert done.returncode == 0, done.stderr
    weights = ("--weights", backbone / "network.weights.h5", "--side", 48)
    done = run("embed", world.test_jpg, "--backbone", "toy", *weights, "-o", tmp_path / "same.parquet")
    assert done.returncode == 0, done.stderr
    assert table.read_bytes() == (tmp_path / "same.parquet").read_bytes()
    for arguments in (
        ("rank", world.train_jpg, world.labels, "--backbones", f"{backbone},{backbone}@edges"),
        ("sources", world.train_jpg, "--source", f"test={world.test_jpg}", "--backbone", backbone),
        ("inspect", "cka", world.train_jpg, backbone, "--batch", 8),
        (
            "search-layer",
            world.train_jpg,
            world.labels,
            "--backbone",
            backbone,
            "--probe-only",
            "-o",
            tmp_path / "l.csv",
        ),
    ):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr


def test_members_of_a_recipe_start_from_the_folder(backbone, world, run, tmp_path):
    shutil.copytree(backbone, tmp_path / "own")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(folder="own"))
    done = run("train", world.train_jpg, world.labels, "--recipe", recipe, "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    assert {start["sha256"] for start in manifest["pretrained"].values()} == {read_backbone_folder(backbone).sha256}
    assert [member["backbone"] for member in manifest["recipe"]["members"]] == ["toy", "toy"]
    assert str(tmp_path) not in (tmp_path / "model" / "manifest.json").read_text()
    card = (tmp_path / "model" / "card.md").read_text()
    assert "simclr pretrained on 48 chips" in card
    assert "rendered" in card
    assert run("predict", world.test_jpg, "--model", tmp_path / "model").returncode == 0

    other = tmp_path / "other.toml"
    other.write_text(recipe.read_text().replace("epochs = 1", 'epochs = 1\ninit = "random"'))
    refused = run("train", world.train_jpg, world.labels, "--recipe", other, "-o", tmp_path / "no")
    assert refused.returncode == 1
    assert "remove weights and init" in refused.stderr


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
        (lambda folder: (folder / "network.weights.h5").unlink(), "no network.weights.h5"),
        (lambda folder: (folder / "network.weights.h5").write_bytes(b"short"), "5 bytes instead of"),
        (lambda folder: flip(folder / "network.weights.h5"), "SHA-256"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda folder: (folder / "manifest.json").write_text('{"kind": "bundle"}'), "no folder that pretrain wrote"),
    ],
)
def test_a_damaged_folder_is_one_clear_line(backbone, world, run, tmp_path, damage, word):
    folder = tmp_path / "copy"
    shutil.copytree(backbone, folder)
    damage(folder)
    done = run("embed", world.test_jpg, "--backbone", folder, "-o", tmp_path / "bank")
    assert done.returncode == 4
    assert word in done.stderr
    assert done.stderr.count("\n") == 1


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_chips_of_folders_archives_and_scenes_are_trained_on_without_copies(world, run, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "more"), "zip", world.train_jpg)
    scene = tmp_path / "scene.tif"
    write_scene(scene, noise(300, 1100))
    output = tmp_path / "backbone"
    arguments = (world.test_jpg, archive, world.train_jpg, scene, "--pixels", 100, "--method", "byol", *OPTIONS)
    done = run("pretrain", *arguments, "-o", output)
    assert done.returncode == 0, done.stderr
    assert "33 of 33 windows of 100 x 100 pixels" in done.stderr
    assert "48 of 106 chips are copies" in done.stderr
    assert read_backbone_folder(output).manifest.chips == 10 + 48 + 33


def test_four_bands_are_pretrained_and_loaded_again(world, run, tmp_path):
    arguments = ("--infrared", "--levels", "dn", "--bands", "blue,green,red,nir", "--batch", 8)
    done = run("pretrain", world.train_tif, "--method", "byol", *OPTIONS, *arguments, "-o", tmp_path / "four")
    assert done.returncode == 0, done.stderr
    assert read_backbone_folder(tmp_path / "four").manifest.spec.bands == ("blue", "green", "red", "nir")
    done = run(
        "embed", world.train_tif, "--backbone", tmp_path / "four", *arguments[1:5], "-o", tmp_path / "four.parquet"
    )
    assert done.returncode == 0, done.stderr
    refused = run("embed", world.train_jpg, "--backbone", tmp_path / "four", "-o", tmp_path / "no.parquet")
    assert refused.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--method", "byol", "--batch", 64), "there are 48 chips, but a batch has 64"),
        (("--method", "simclr", "--accumulate", 2), "larger batch"),
        (("--method", "fcmae"), "convnext_v2_atto"),
        (("--method", "fcmae", "--backbone", "convnext_v2_atto", "--side", 40), "multiple of 32"),
        (("--method", "byol", "--backbone", "toi"), "toy"),
        (("--method", "byol", "--start", "nowhere.h5"), "nowhere.h5"),
        (("--method", "byol", "--backbone", "vit_tiny", "--start", "imagenet"), "--start random"),
        (("--method", "byol", "--groups", "GROUPS"), "leave it out"),
        (("--method", "simclr", "--groups", "GROUPS"), "have no group"),
        (("--method", "byol", "--infrared"), "nir"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_leaves_nothing(world, run, tmp_path, arguments, word):
    groups = tmp_path / "groups.csv"
    groups.write_text("image_name,group\ntrain_0,1\n")
    words = [groups if argument == "GROUPS" else argument for argument in arguments]
    done = run("pretrain", world.train_jpg, *OPTIONS, *words, "-o", tmp_path / "backbone")
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "backbone").exists()


def test_an_existing_output_is_left_alone(backbone, world, run):
    before = (backbone / "manifest.json").read_bytes()
    done = run("pretrain", world.train_jpg, "--method", "byol", *OPTIONS, "-o", backbone)
    assert done.returncode == 1
    assert "exists" in done.stderr
    assert (backbone / "manifest.json").read_bytes() == before


def test_damaged_chips_are_an_error_or_left_out(world, run, tmp_path):
    chips = tmp_path / "chips"
    shutil.copytree(world.train_jpg, chips)
    (chips / "train_3.jpg").write_bytes(b"no picture")
    arguments = ("pretrain", chips, "--method", "byol", *OPTIONS, "-o", tmp_path / "backbone")
    done = run(*arguments)
    assert done.returncode == 1
    assert "train_3.jpg" in done.stderr
    done = run(*arguments, "--on-error", "skip", "--errors", tmp_path / "errors.jsonl")
    assert done.returncode == 3
    assert read_backbone_folder(tmp_path / "backbone").manifest.chips == 47


def test_a_full_disk_leaves_no_folder_and_the_same_call_goes_on(world, tmp_path, monkeypatch, capsys):
    plan = check_request(PretrainRequest(PretrainSettings("simclr", "toy", epochs=1, batch=16), side=48))
    with open_chips(PretrainInput((world.train_jpg,), plan.spec)) as found:
        with monkeypatch.context() as full:
            full.setattr(preflight.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))
            with pytest.raises(OSError, match="make room"):
                pretrain_backbone(found, tmp_path / "backbone", plan)
        assert [path.name for path in tmp_path.iterdir()] == ["backbone.work"]
        capsys.readouterr()
        pretrain_backbone(found, tmp_path / "backbone", plan)
    assert "resuming after batch 3 of 3" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["backbone"]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_weights(backbone, world, tmp_path):
    output = tmp_path / "backbone"
    arguments = ("pretrain", world.train_jpg, "--method", "simclr", *OPTIONS, "-o", output, "--note", "rendered")
    words = [str(argument) for argument in arguments]
    script = f"""
import sys
from features.pretraining import trainer
trainer.ROUND_BATCHES = 2
from amazon_tags.pretraining import pretrain_run
pretrain_run.SAVED_SHARE = 1e9
sys.argv = ["amazon_tags", *{words!r}]
from amazon_tags.cli import main
main()
"""
    saved = tmp_path / "backbone.work"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(saved.glob("*/state.npz")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if process.returncode != 0:
        assert "resuming after batch" in done.stderr
    assert read_backbone_folder(output).sha256 == read_backbone_folder(backbone).sha256

"""Copies, neighbours and groups: the table of `leaks`, its pictures, and groups in training."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from amazon_tags.datasets import sample
from amazon_tags.datasets.leaks import draw_mosaics, find_leaks
from tests import world as worlds

SIDE = 64


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Eight chips of one scene, three of other places, an exact copy and one of the same appearance."""
    folder = tmp_path_factory.mktemp("leaks") / "chips"
    folder.mkdir()
    scene = sample.render(["clear", "primary", "agriculture", "road"], seed=7, side=4 * SIDE)[: 2 * SIDE]
    for row in range(2):
        for column in range(4):
            part = scene[SIDE * row : SIDE * (row + 1), SIDE * column : SIDE * (column + 1)]
            Image.fromarray(part).save(folder / f"scene_{row}{column}.png")
    for seed in range(3):
        Image.fromarray(sample.render(["clear", "primary", "water"], seed=seed, side=SIDE)).save(
            folder / f"apart_{seed}.png"
        )
    shutil.copy(folder / "apart_0.png", folder / "same_0.png")
    with Image.open(folder / "scene_03.png") as image:
        image.save(folder / "same_1.jpg", quality=80)
    return folder


def test_copies_neighbours_and_groups_are_found(chips, run, tmp_path):
    done = run("leaks", chips, "--mosaics", tmp_path / "mosaics")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("13 chips: 2 are copies of an earlier one; neighbours: 8 chips lie in 1 mosaics")
    rows = {row["image_name"]: row for row in csv.DictReader(done.stdout.splitlines())}
    assert rows["same_0"]["copy_of"] == "apart_0"
    assert {rows["same_1"]["copy_of"], rows["scene_03"]["copy_of"]} == {"same_1", ""}  # the first one by name
    together = {name for name, row in rows.items() if row["mosaic"] == "0"}
    assert {name for name in together if name != "same_1"} | {"scene_03"} == {name for name in rows if "scene" in name}
    assert len({rows[name]["group"] for name in (*together, "same_1", "scene_03")}) == 1
    assert rows["apart_0"]["group"] == rows["same_0"]["group"] == "apart_0"
    assert rows["apart_1"]["group"] == "apart_1"
    assert (rows["scene_11"]["row"], rows["scene_11"]["column"]) == ("1", "1")
    with Image.open(tmp_path / "mosaics" / "mosaic_0.jpg") as picture:
        assert picture.size == (4 * SIDE, 2 * SIDE)
        corner = np.asarray(picture.crop((SIDE, SIDE, 2 * SIDE, 2 * SIDE)), float)
    with Image.open(chips / "scene_11.png") as expected:
        assert np.abs(corner - np.asarray(expected, float)).mean() < 8


@pytest.mark.slow
def test_the_table_has_the_same_bytes_for_any_number_of_threads(chips, run, tmp_path):
    tables = [run("leaks", chips, "--jobs", jobs).stdout for jobs in (1, 3)]
    assert tables[0] == tables[1]
    assert run("leaks", chips, "-o", tmp_path / "groups.csv").stdout == ""
    assert (tmp_path / "groups.csv").read_text() == tables[0]


def test_a_single_chip_is_a_group(world, tmp_path):
    leaks = find_leaks([next(iter(sorted(world.test_jpg.iterdir())))])
    assert (leaks.group.tolist(), leaks.mosaic.tolist()) == ([0], [-1])
    assert draw_mosaics(tmp_path / "mosaics", leaks) == 0


@pytest.mark.slow
@pytest.mark.parametrize("broken", [b"", b"no chip"])
def test_a_damaged_chip_is_named(chips, run, tmp_path, broken):
    shutil.copytree(chips, tmp_path / "chips")
    (tmp_path / "chips" / "apart_9.jpg").write_bytes(broken)
    done = run("leaks", tmp_path / "chips", "-o", tmp_path / "groups.csv")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "apart_9.jpg" in done.stderr
    assert not (tmp_path / "groups.csv").exists()


def test_pictures_are_not_written_into_a_folder_with_files(chips, run):
    done = run("leaks", chips, "--mosaics", chips)
    assert (done.returncode, "exists and is never overwritten" in done.stderr) == (1, True)


@pytest.mark.slow
def test_training_keeps_groups_together_and_reports_it(world, run, frozen_recipe_file, tmp_path):
    rows = [f"train_{number},{number // 4}" for number in range(worlds.TRAIN)]
    (tmp_path / "groups.csv").write_text("image_name,group\n" + "\n".join(rows))
    arguments = ("train", world.train_jpg, world.labels, "--recipe", frozen_recipe_file)
    arguments += ("--groups", tmp_path / "groups.csv")
    done = run(*arguments, "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "model" / "manifest.json").read_text())["data"]["groups"] == worlds.TRAIN // 4
    assert "in 12 groups, each within one fold" in (tmp_path / "model" / "card.md").read_text()
    (tmp_path / "groups.csv").write_text("image_name,group\n" + "\n".join(rows[1:]))
    done = run(*arguments, "-o", tmp_path / "other")
    assert (done.returncode, "1 of 48 chips have no group" in done.stderr) == (1, True)

"""Pairs of JPG and TIF: rendered ones in a known state, and the competition's."""

import csv

import numpy as np
import pytest
from PIL import Image

from amazon_tags.datasets import sample
from amazon_tags.datasets.pairs import compare_pairs, pairs_text
from features.images import chips
from features.images.chips import ChipError
from tests import world as worlds
from tests.features.images.images import encode


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """An aligned pair, one shifted by 14 pixels, one of two places, one with red first, and a JPG without a TIF."""
    root = tmp_path_factory.mktemp("pairs")
    jpgs, tifs = root / "jpg", root / "tif"
    jpgs.mkdir()
    tifs.mkdir()
    scenes = [sample.render(["clear", "primary", "agriculture", "road"], seed=seed, side=128) for seed in range(5)]
    side = worlds.SIDE
    for name, scene in zip("abcde", scenes, strict=True):
        Image.fromarray(scene[:side, :side]).save(jpgs / f"chip_{name}.jpg", quality=95)
    views = [scenes[0][:side, :side], scenes[1][:side, 14 : 14 + side], scenes[4][side:, side:]]
    views.append(scenes[3][:side, :side, ::-1])
    infrared = np.random.default_rng(0).integers(5000, 9000, (side, side))
    for name, scene in zip("abcd", views, strict=True):
        (tifs / f"chip_{name}.tif").write_bytes(worlds.four_bands(scene, infrared))
    return jpgs, tifs


def test_each_kind_of_pair_is_reported(folders, run):
    done = run("pairs", *folders)
    assert done.returncode == 0, done.stderr
    assert "4 pairs: 2 aligned, 1 shifted, 1 elsewhere; 1 with bands in another order" in done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["verdict"] for row in rows] == ["aligned", "shifted", "elsewhere", "aligned"]
    assert (rows[1]["right"], rows[1]["down"]) == ("14", "0")
    assert [row["bands"] for row in rows] == ["blue green red nir", "blue green red nir", "", "red green blue nir"]


def test_chips_that_are_not_pairs_are_refused(folders, run, tmp_path):
    done = run("pairs", folders[1], folders[0])
    assert (done.returncode, "a pair is (H, W, 4) and (H, W, 3)" in done.stderr) == (1, True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "other.jpg")
    done = run("pairs", tmp_path, folders[1])
    assert (done.returncode, "has the same name as one of" in done.stderr) == (1, True)


def test_the_order_that_a_tif_states_is_the_expected_one(folders, tmp_path):
    pixels = chips.read(folders[1] / "chip_d.tif")
    path = tmp_path / "chip_d.tif"
    path.write_bytes(encode(pixels, descriptions=["red", "green", "blue", "nir"]))
    (pair,) = compare_pairs([folders[0]], [path])
    assert pair.bands == pair.expected == ("red", "green", "blue", "nir")
    assert pairs_text([pair]) == "1 pairs: 1 aligned, 0 shifted, 0 elsewhere"
    path.write_bytes(encode(pixels, descriptions=["VV", "VH", "angle", "inc"]))
    with pytest.raises(ChipError, match=r"chip_d.tif states the bands vv, vh, angle, inc, so no blue"):
        compare_pairs([folders[0]], [path])


@pytest.mark.real
@pytest.mark.slow
def test_the_competitions_pairs_have_their_known_shifts(real):
    pairs = compare_pairs([real / "planet" / "train-jpg"], [real / "planet" / "train-tif-v2"], jobs=2)
    assert pairs_text(pairs) == "20 pairs: 14 aligned, 5 shifted, 1 elsewhere"
    shifted = {pair.name: (pair.right, pair.down) for pair in pairs if pair.verdict == "shifted"}
    known = {"train_4": 22, "train_8": 22, "train_13": 34, "train_23": 35, "train_25": 13}  # by exhaustive search
    assert shifted.keys() == known.keys()
    assert all(abs(shifted[name][0] - known[name]) <= 2 and abs(shifted[name][1]) <= 2 for name in known)
    other = compare_pairs([real / "planet" / "test-jpg"], [real / "planet" / "test-tif-v2"], jobs=2)
    assert {pair.verdict for pair in other} == {"elsewhere"}  # they had other names before test_v2_file_mapping.csv

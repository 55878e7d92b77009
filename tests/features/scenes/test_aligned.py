"""Aligned scenes: a scene on the pixels of another one shows the same ground at the same pixels."""

import numpy as np
import pytest
from rasterio.transform import Affine

from features.images.window import Window
from features.scenes.aligned import align, share_data
from features.scenes.scene import open_scene
from tests.scene_files import NORTH_UP, cut, noise, shifted, write_scene

SOUTH_UP = Affine(3, 0, 600_000, 0, 3, 9_700_000)
ROTATED = Affine(2.8, 1.1, 600_000, 1.1, -2.8, 9_700_000)


@pytest.mark.parametrize("transform", [NORTH_UP, SOUTH_UP, ROTATED], ids=["north-up", "south-up", "rotated"])
def test_two_parts_of_one_picture_show_the_same_ground_once_they_are_aligned(transform, tmp_path):
    whole = write_scene(tmp_path / "whole.tif", noise(120, 160), transform=transform)
    first = cut(whole, tmp_path / "first.tif", (20, 10, 100, 90))
    second = cut(whole, tmp_path / "second.tif", (50, 0, 110, 70))
    with open_scene(first) as one, open_scene(second) as other:
        aligned = align(other, one)
        scene = aligned.scene
        assert (scene.width, scene.height, scene.transform, scene.crs) == (100, 90, one.transform, one.crs)
        assert scene.files == (second,)
        assert aligned.moved == pytest.approx((0, 0), abs=1e-6)
        image, expected = scene.read(Window(scene, 0, 0, 100, 90)), one.read(Window(one, 0, 0, 100, 90))
    common = np.zeros((90, 100), np.bool_)
    common[:60, 30:] = True  # rows 10 to 70 and columns 50 to 120 of the whole
    np.testing.assert_array_equal(image.valid, common)
    np.testing.assert_array_equal(image.pixels[common], expected.pixels[common])
    assert not image.pixels[~common].any()


def test_a_window_where_a_scene_lies_wholly_states_no_missing_pixels(tmp_path):
    first = write_scene(tmp_path / "first.tif", noise(60, 60))
    second = write_scene(tmp_path / "second.tif", noise(80, 80), transform=shifted(NORTH_UP, -10, -10))
    with open_scene(first) as one, open_scene(second) as other:
        scene = align(other, one).scene
        image, expected = scene.read(Window(scene, 0, 0, 60, 60)), other.read(Window(other, 10, 10, 60, 60))
    assert image.valid is None
    np.testing.assert_array_equal(image.pixels, expected.pixels)


def test_parts_of_a_pixel_are_rounded_and_stated(tmp_path):
    first = write_scene(tmp_path / "first.tif", noise(60, 60))
    second = write_scene(tmp_path / "second.tif", noise(60, 60), transform=Affine(3, 0, 600_004, 0, -3, 9_699_998))
    with open_scene(first) as one, open_scene(second) as other:
        aligned = align(other, one)
        assert aligned.moved == pytest.approx((1 - 4 / 3, 1 - 2 / 3))
        image = aligned.scene.read(Window(aligned.scene, 1, 1, 59, 59))
        np.testing.assert_array_equal(image.pixels, noise(60, 60)[:59, :59])


def test_scenes_without_a_position_are_aligned_pixel_by_pixel(tmp_path):
    paths = [write_scene(tmp_path / f"{name}.tif", noise(40, 50), crs=None, transform=None) for name in "ab"]
    with open_scene(paths[0]) as one, open_scene(paths[1]) as other:
        aligned = align(other, one)
        assert (aligned.scene, aligned.moved) == (other, None)


def test_two_dates_hold_data_where_both_do_and_are_0_elsewhere(tmp_path):
    first, second = noise(40, 50), noise(40, 50, 4)
    first[:, :10], second[..., 3] = 255, 200
    second[30:, :, 3] = 0
    a = write_scene(tmp_path / "a.tif", first, nodata=255)
    b = write_scene(tmp_path / "b.tif", second, colours=("red", "green", "blue", "alpha"))
    shared = np.zeros((40, 50), np.bool_)
    shared[:30, 10:] = True
    with open_scene(a) as one, open_scene(b) as other:
        for scene, pixels in zip(share_data(one, other), (first, second), strict=True):
            image = scene.read(Window(scene, 0, 0, 50, 40))
            np.testing.assert_array_equal(image.valid, shared)
            np.testing.assert_array_equal(image.pixels[shared], pixels[shared])
            assert not image.pixels[~shared].any()
            whole = scene.read(Window(scene, 10, 0, 40, 30))
            np.testing.assert_array_equal(whole.pixels, pixels[:30, 10:])
            assert whole.valid is None or whole.valid.all()


FAR = Affine(3, 0, 600_150, 0, -3, 9_700_000)
OTHERS = {
    "system": (
        {"crs": "EPSG:32722"},
        "has the reference system EPSG:32722, but .*a.tif has EPSG:32721; warp one",
    ),
    "resolution": ({"transform": Affine(10, 0, 600_000, 0, -10, 9_700_000)}, "has pixels of another size or direction"),
    "ground": (
        {"transform": FAR},
        r"b.tif covers no ground of .*: it begins \+50 columns and \+0 rows from there",
    ),
    "position": ({"crs": None}, "b.tif states no position, but .*a.tif does"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_scenes_that_cannot_be_aligned_are_refused_with_the_reason(name, tmp_path):
    options, reason = OTHERS[name]
    paths = [
        write_scene(tmp_path / "a.tif", noise(40, 50)),
        write_scene(tmp_path / "b.tif", noise(40, 50), **options),
    ]
    with open_scene(paths[0]) as a, open_scene(paths[1]) as b, pytest.raises(ValueError, match=reason) as error:
        align(b, a)
    assert "\n" not in str(error.value)


def test_scenes_of_two_sizes_without_a_position_are_refused(tmp_path):
    a = write_scene(tmp_path / "a.tif", noise(40, 50), crs=None, transform=None)
    b = write_scene(tmp_path / "b.tif", noise(41, 50), crs=None, transform=None)
    reason = r"b.tif has 50 x 41 pixels, but .*a.tif has 50 x 40, and neither states"
    with open_scene(a) as one, open_scene(b) as other, pytest.raises(ValueError, match=reason):
        align(other, one)

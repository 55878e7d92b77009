"""Joined scenes: parts of one picture, cut apart and joined, are that picture."""

from contextlib import ExitStack

import numpy as np
import pytest
from rasterio.transform import Affine

from features.images.chips import read_image
from features.images.window import Window
from features.scenes.joined import join
from features.scenes.scene import open_scene
from tests.scene_files import NORTH_UP, cut, noise, write_scene

SOUTH_UP = Affine(3, 0, 600_000, 0, 3, 9_700_000)
ROTATED = Affine(2.8, 1.1, 600_000, 1.1, -2.8, 9_700_000)


@pytest.mark.parametrize("transform", [NORTH_UP, SOUTH_UP, ROTATED], ids=["north-up", "south-up", "rotated"])
def test_scenes_cut_apart_and_joined_are_the_whole(transform, tmp_path):
    pixels = noise(120, 160)
    whole = write_scene(tmp_path / "whole.tif", pixels, transform=transform)
    boxes = [(70, 0, 90, 120), (0, 0, 80, 60), (0, 60, 80, 60)]  # not in their order, and over each other
    parts = [cut(whole, tmp_path / f"{number}.tif", box) for number, box in enumerate(boxes)]
    with open_scene(whole) as one, open_scene(parts[0]) as a, open_scene(parts[1]) as b, open_scene(parts[2]) as c:
        joined = join([a, b, c])
        assert (joined.width, joined.height, joined.bands) == (160, 120, 3)
        assert joined.transform.almost_equals(one.transform, 1e-6)
        assert str(joined) == f"{parts[0]} and 2 more"
        for box in [(0, 0, 160, 120), (60, 40, 64, 64), (100, 70, 64, 64)]:
            image, expected = read_image(Window(joined, *box)), read_image(Window(one, *box))
            np.testing.assert_array_equal(image.pixels, expected.pixels)
            assert (image.valid is None) == (expected.valid is None)


def test_the_first_scene_with_data_counts_and_holes_hold_none(tmp_path):
    first = np.full((40, 40, 3), 100, np.uint8)
    first[:, 20:30] = 0  # nodata, which the second fills
    second = np.full((40, 40, 3), 200, np.uint8)
    shifted = Affine(3, 0, 600_060, 0, -3, 9_699_940)
    paths = [
        write_scene(tmp_path / "first.tif", first, nodata=0),
        write_scene(tmp_path / "second.tif", second, nodata=0, transform=shifted),
    ]
    with open_scene(paths[0]) as a, open_scene(paths[1]) as b:
        image = join([a, b]).read(Window(join([a, b]), 0, 0, 60, 60))
    expected = np.zeros((60, 60), np.uint8)
    expected[20:, 20:] = 200
    expected[:40, :20] = expected[:40, 30:40] = 100
    np.testing.assert_array_equal(image.pixels[..., 0], expected)
    np.testing.assert_array_equal(image.valid, expected > 0)


OTHERS = {
    "system": ({"crs": "EPSG:32722"}, "has the reference system EPSG:32722, but .*a.tif has EPSG:32721"),
    "bands": ({"pixels": noise(40, 40, 4, "uint8")}, "has a number of bands of 4, but .* has 3"),
    "type": ({"pixels": noise(40, 40, 3, "uint16")}, "has the type uint16, but .* has uint8"),
    "size": ({"transform": Affine(3.1, 0, 600_000, 0, -3.1, 9_700_000)}, "has pixels of another size or direction"),
    "grid": ({"transform": Affine(3, 0, 600_001, 0, -3, 9_700_000)}, r"lies \+0.33 columns and \+0.00 rows off"),
    "position": ({"crs": None}, "b.tif states no position, so it cannot be joined"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_scenes_on_other_grids_are_refused_with_the_reason(name, tmp_path):
    options, reason = OTHERS[name]
    first = write_scene(tmp_path / "a.tif", noise(40, 40))
    second = write_scene(tmp_path / "b.tif", **{"pixels": noise(40, 40), **options})
    with open_scene(first) as a, open_scene(second) as b, pytest.raises(ValueError, match=reason):
        join([a, b])


def test_a_place_without_all_bands_of_the_others_is_refused(tmp_path):
    east = NORTH_UP @ Affine.translation(40, 0)
    paths = [write_scene(tmp_path / f"{name}.tif", noise(40, 40, 1)) for name in ("b02", "b03")]
    paths.append(write_scene(tmp_path / "east_b02.tif", noise(40, 40, 1), transform=east))
    with ExitStack() as opened:
        scenes = [opened.enter_context(open_scene(path)) for path in paths]
        with pytest.raises(
            ValueError, match=r"2 files of one band cover the ground of .*b02.tif, but 1 that of .*east"
        ):
            join(scenes)

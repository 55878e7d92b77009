"""Files of one band each, stacked: their scene is that of one file with all bands."""

from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from features.images.chips import read_image
from features.images.window import Window
from features.scenes.joined import join
from features.scenes.scene import open_scene
from tests.scene_files import NORTH_UP, noise, write_scene

PIXELS = noise(60, 80, 4, "uint16")


def write_bands(folder, names, pixels=PIXELS, **options):
    return [write_scene(folder / f"{name}.tif", pixels[..., [band]], **options) for band, name in enumerate(names)]


@contextmanager
def joined(paths):
    with ExitStack() as opened:
        yield join([opened.enter_context(open_scene(path)) for path in paths])


@pytest.mark.parametrize(
    ("names", "bands"),
    [
        (["s2_B04", "s2_B03", "s2_B02", "s2_B08"], ("red", "green", "blue", "nir")),
        (["T22MBT-blue-10m", "T22MBT-green-10m", "T22MBT-red-10m", "T22MBT-nir-10m"], ("blue", "green", "red", "nir")),
        (["first", "second", "third", "fourth"], ("first", "second", "third", "fourth")),
        (["1", "2", "3", "4"], ("", "", "", "")),
    ],
)
def test_bands_come_in_the_order_of_the_files_and_are_named_by_them(names, bands, tmp_path):
    whole = write_scene(tmp_path / "whole.tif", PIXELS)
    with joined(write_bands(tmp_path, names)) as scene, open_scene(whole) as expected:
        assert (scene.bands, scene.dtype, scene.transform) == (4, "uint16", expected.transform)
        image = read_image(Window(scene, 16, 8, 64, 64))
        np.testing.assert_array_equal(image.pixels, read_image(Window(expected, 16, 8, 64, 64)).pixels)
        assert image.bands == bands


def test_what_a_file_states_counts_before_its_name(tmp_path):
    paths = [
        write_scene(tmp_path / f"{name}.tif", PIXELS[..., [band]], descriptions=[stated])
        for band, (name, stated) in enumerate([("b02", "red"), ("b03", "green"), ("b04", "blue")])
    ]
    with joined(paths) as scene:
        assert scene.read(Window(scene, 0, 0, 8, 8)).bands == ("red", "green", "blue")


def test_a_pixel_holds_data_where_every_band_does(tmp_path):
    pixels = PIXELS.copy()
    pixels[0, 0, 0] = pixels[5, 6, 2] = 0
    with joined(write_bands(tmp_path, ["b04", "b03", "b02"], pixels, nodata=0)) as scene:
        valid = scene.read(Window(scene, 0, 0, 80, 60)).valid
    assert not valid[0, 0]
    assert not valid[5, 6]
    assert valid.sum() == 60 * 80 - 2


def test_bands_of_places_side_by_side_are_one_scene(tmp_path):
    (tmp_path / "east").mkdir()
    paths = write_bands(tmp_path, ["b04", "b03"])
    paths += write_bands(tmp_path / "east", ["b04", "b03"], transform=NORTH_UP @ Affine.translation(80, 0))
    with joined([paths[0], paths[2], paths[1], paths[3]]) as scene:  # by band, then by place
        assert (scene.width, scene.height, scene.bands) == (160, 60, 2)
        np.testing.assert_array_equal(
            scene.read(Window(scene, 0, 0, 160, 60)).pixels, np.tile(PIXELS[..., :2], (1, 2, 1))
        )


def test_too_many_bands_are_refused(tmp_path):
    paths = write_bands(tmp_path, [f"b{number}" for number in range(17)], noise(20, 20, 17))
    with pytest.raises(ValueError, match=r"17 bands of one scene; at most 16 are read"), joined(paths):
        pass


def test_bands_that_state_other_scales_are_refused(tmp_path):
    paths = write_bands(tmp_path, ["b04", "b03"])
    with rasterio.open(paths[0], "r+") as file:
        file.scales = [0.0001]
    with joined(paths) as scene, pytest.raises(ValueError, match="files that state other bits or scales"):
        scene.read(Window(scene, 0, 0, 8, 8))

"""Quicklooks: small pictures of whole scenes, equal for every layout of the file."""

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as RasterPart

from features.images.chips import ChipError
from features.images.spec import ChipSpec
from features.scenes import quicklook as quicklooks
from features.scenes.aligned import align
from features.scenes.joined import join
from features.scenes.quicklook import NO_DATA, quicklook, quicklook_size
from features.scenes.scene import open_scene
from tests.scene_files import LAYOUTS, NORTH_UP, cut, noise, shifted, write_scene

SPEC = ChipSpec()


@pytest.fixture
def quarter(monkeypatch):
    """Quicklooks of a quarter of the sides of a scene of 160 x 120 pixels."""
    monkeypatch.setattr(quicklooks, "MAX_PIXELS", 40 * 30)


def means(pixels, factor=4):
    height, width, bands = pixels.shape
    return pixels.reshape(height // factor, factor, width // factor, factor, bands).mean(axis=(1, 3))


@pytest.mark.usefixtures("quarter")
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "COG"])
def test_a_pixel_is_the_mean_of_those_that_it_covers(layout, tmp_path):
    pixels = noise(120, 160)
    with open_scene(write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS[layout])) as scene:
        picture = quicklook(scene, SPEC)
    assert picture.shape == (30, 40, 3)
    assert np.abs(picture - means(pixels)).max() <= 0.5


@pytest.mark.usefixtures("quarter")
def test_scenes_that_are_joined_or_stacked_or_aligned_have_the_quicklook_of_the_whole(tmp_path):
    pixels = noise(120, 160)
    whole = write_scene(tmp_path / "whole.tif", pixels)
    parts = [cut(whole, tmp_path / f"{left}.tif", (left, 0, 80, 120)) for left in (0, 80)]
    bands = [write_scene(tmp_path / f"B0{4 - band}.tif", pixels[..., [band]]) for band in range(3)]
    larger = write_scene(
        tmp_path / "larger.tif", np.pad(pixels, ((8, 8), (8, 8), (0, 0))), transform=shifted(NORTH_UP, -8, -8)
    )
    with open_scene(whole) as scene:
        expected = quicklook(scene, SPEC)
        with open_scene(larger) as other:
            np.testing.assert_array_equal(quicklook(align(other, scene).scene, SPEC), expected)
    for paths in (parts, bands):
        with open_scene(paths[0]) as a, open_scene(paths[1]) as b, open_scene(paths[-1]) as c:
            joined = join([a, b, c] if len(paths) == 3 else [a, b])
            np.testing.assert_array_equal(quicklook(joined, SPEC), expected)


@pytest.mark.usefixtures("quarter")
@pytest.mark.parametrize("how", ["nodata", "mask"])
def test_pixels_without_data_are_neither_shown_nor_mixed_in(how, tmp_path):
    pixels = noise(120, 160)
    pixels[:62] = 0
    mask = np.full((120, 160), 255, np.uint8)
    mask[:62] = 0
    options = {"nodata": 0} if how == "nodata" else {"mask": mask}
    with open_scene(write_scene(tmp_path / "scene.tif", pixels, **options)) as scene:
        picture = quicklook(scene, SPEC)
    assert (picture[:15] == NO_DATA).all()
    assert np.abs(picture[16:] - means(pixels)[16:]).max() <= 0.5
    if how == "nodata":
        assert np.abs(picture[15] - pixels[62:64].reshape(2, 40, 4, 3).mean(axis=(0, 2))).max() <= 0.5


def test_a_small_scene_is_not_enlarged_and_a_long_one_keeps_its_shape(tmp_path):
    with open_scene(write_scene(tmp_path / "scene.tif", noise(30, 40))) as scene:
        np.testing.assert_array_equal(quicklook(scene, SPEC), noise(30, 40))
    with open_scene(write_scene(tmp_path / "scene.tif", noise(2, 20_000))) as scene:
        assert quicklook_size(scene) == (8192, 1)
        assert quicklook(scene, SPEC).shape == (1, 8192, 3)


@pytest.mark.usefixtures("quarter")
def test_indices_of_a_palette_are_not_averaged(tmp_path):
    indices = (np.indices((120, 160)).sum(axis=0) % 2 * 200).astype(np.uint8)[..., np.newaxis]
    table = {0: (255, 0, 0, 255), 100: (0, 255, 0, 255), 200: (0, 0, 255, 255)}
    with open_scene(write_scene(tmp_path / "scene.tif", indices, colormap=table)) as scene:
        colours = quicklook(scene, SPEC).reshape(-1, 3)
    assert {tuple(colour) for colour in colours.tolist()} <= {(255, 0, 0), (0, 0, 255)}


@pytest.mark.usefixtures("quarter")
def test_overviews_of_a_file_are_used(tmp_path):
    path = write_scene(tmp_path / "scene.tif", noise(120, 160), tiled=True, blockxsize=16, blockysize=16)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([4])
    with rasterio.open(path, "r+", overview_level=0) as level:
        small = level.read()
    with open_scene(path) as scene:
        image = scene.read_inside(RasterPart(0, 0, 160, 120), (40, 30))
    np.testing.assert_array_equal(image.pixels, small.transpose(1, 2, 0))


def test_a_damaged_scene_is_refused(tmp_path):
    path = write_scene(tmp_path / "scene.tif", noise(300, 400), tiled=True, compress="deflate")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises((ChipError, ValueError), match="damaged"), open_scene(path) as scene:
        quicklook(scene, SPEC)

"""Percentiles of whole scenes against NumPy's, for any layout of the file and number of threads."""

import numpy as np
import pytest

from features.images.chips import ChipError
from features.images.spec import ChipSpec
from features.scenes import percentiles
from features.scenes.percentiles import band_ranges
from features.scenes.scene import open_scene
from tests.scene_files import LAYOUTS, noise, write_scene

SPEC = ChipSpec()
PIXELS = noise(150, 200, 3, "uint16")


def found(path, percents=(2, 98), jobs=1):
    with open_scene(path, readers=jobs) as scene:
        return band_ranges([(scene, SPEC)], percents, jobs=jobs)


def expected(pixels, percents=(2, 98)):
    values = pixels.reshape(-1, 3)
    return np.percentile(values, percents, axis=0, method="inverted_cdf").T


@pytest.mark.parametrize("percents", [(2, 98), (0, 100), (0.5, 50)])
def test_percentiles_of_levels_are_those_of_numpy(percents, tmp_path, monkeypatch):
    monkeypatch.setattr(percentiles, "PART_PIXELS", 64)
    for jobs, options in enumerate(LAYOUTS.values(), start=1):
        path = write_scene(tmp_path / "scene.tif", PIXELS, **options)
        np.testing.assert_array_equal(found(path, percents, jobs), expected(PIXELS, percents))


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0), (1, 0), (0.01, -30)])
def test_percentiles_of_floats_are_exact_to_a_twentieth_percent(scale, offset, tmp_path):
    values = (PIXELS * scale + offset).astype(np.float32)
    path = write_scene(tmp_path / "scene.tif", values)
    np.testing.assert_allclose(found(path), expected(values), rtol=5e-4)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_pixels_without_data_and_black_ones_do_not_count(dtype, tmp_path):
    pixels = PIXELS.astype(dtype)
    pixels[:40], pixels[40:60] = 7, 0
    path = write_scene(tmp_path / "scene.tif", pixels, nodata=7)
    np.testing.assert_allclose(found(path), expected(pixels[60:]), rtol=5e-4)


def test_two_scenes_have_the_percentiles_of_both_together(tmp_path):
    paths = [
        write_scene(tmp_path / f"{name}.tif", part) for name, part in zip("ab", np.split(PIXELS, [50]), strict=True)
    ]
    with open_scene(paths[0]) as first, open_scene(paths[1]) as second:
        ranges = band_ranges([(first, SPEC), (second, SPEC)], (2, 98), jobs=2)
    np.testing.assert_array_equal(ranges, expected(PIXELS))


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (noise(40, 40), {}, "holds colours of 8 bits"),
        (np.full((40, 40, 3), 900, np.uint16), {}, "both percentiles of red of .*scene.tif are 900"),
        (np.zeros((40, 40, 3), np.uint16), {}, "holds no data, or 0 alone"),
        (PIXELS[..., :2], {}, "has 2 bands of uint16, but the model expects"),
    ],
)
def test_scenes_without_percentiles_are_refused(pixels, options, reason, tmp_path):
    path = write_scene(tmp_path / "scene.tif", pixels, **options)
    with pytest.raises((ChipError, ValueError), match=reason):
        found(path)

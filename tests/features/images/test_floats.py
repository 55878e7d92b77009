"""Float TIFs: surface reflectance, read as the same reflectance in levels of 16 bits is."""

import numpy as np
import pytest

from features.images import chips, floats
from features.images.chips import ChipError
from features.images.layout import Layout
from features.images.spec import ChipSpec
from tests.scene_files import noise, write_scene

SPEC = ChipSpec(side=40)
NAMES = ("blue", "green", "red", "nir")
LEVELS = noise(40, 40, 4, "uint16")


def write(path, pixels, **options):
    return write_scene(path, pixels, descriptions=NAMES[: pixels.shape[2]], **options)


def test_values_are_rounded_to_ten_thousandths_and_negative_ones_to_0():
    values = np.array([[[0.12344, -0.03, 1.5]]], np.float32)
    pixels, valid, scales = floats.as_levels(values, None, ())
    assert (pixels.dtype, pixels.tolist(), valid, scales) == (np.uint16, [[[1234, 0, 15000]]], None, ((1e-4, 0.0),) * 3)


def test_a_stated_scale_and_offset_come_first():
    values = np.array([[[5000.0, 3000.0]]], np.float32)
    pixels, _, _ = floats.as_levels(values, None, ((1e-4, -0.1), (1e-4, 0.0)))
    assert pixels.tolist() == [[[4000, 3000]]]


def test_nan_infinity_and_nodata_hold_no_data():
    values = np.full((2, 2, 1), 0.5, np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    pixels, valid, _ = floats.as_levels(values, np.array([[True, True], [True, False]]), ())
    np.testing.assert_array_equal(valid, [[False, False], [True, False]])
    np.testing.assert_array_equal(pixels[..., 0], [[0, 0], [5000, 0]])


def test_a_chip_of_floats_is_that_of_the_same_reflectance_in_levels(tmp_path):
    whole = write(tmp_path / "levels.tif", LEVELS)
    part = write(tmp_path / "floats.tif", (LEVELS * 1e-4).astype(np.float32))
    expected = chips.load(whole, ChipSpec(side=40, layout=Layout(levels="reflectance")))
    loaded = chips.load_with_remarks(part, SPEC)
    np.testing.assert_array_equal(loaded.pixels, expected)
    assert "floats taken as surface reflectance from 0 to 1" in [remark.text for remark in loaded.remarks]


@pytest.mark.parametrize("nodata", [-9999.0, float("nan"), -3.4028234663852886e38])
def test_nodata_of_floats_is_known(nodata, tmp_path):
    values = (LEVELS * 1e-4).astype(np.float32)
    values[:10] = nodata
    image = chips.read_image(write(tmp_path / "a.tif", values, nodata=nodata))
    np.testing.assert_array_equal(image.valid, np.arange(40)[:, None].repeat(40, 1) >= 10)


@pytest.mark.parametrize(
    ("scale", "levels", "reason"),
    [
        (1.0, "auto", "holds floats up to .*, but floats are read as surface reflectance from 0 to 1; convert"),
        (1e-4, "dn", "holds floats, .* but --levels are dn; leave them out"),
    ],
)
def test_other_floats_are_refused(scale, levels, reason, tmp_path):
    path = write(tmp_path / "a.tif", (LEVELS * scale).astype(np.float32))
    with pytest.raises(ChipError, match=reason):
        chips.load(path, ChipSpec(side=40, layout=Layout(levels=levels)))

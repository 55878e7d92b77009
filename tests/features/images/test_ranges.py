"""Levels stated by the values that become black and white, of 16 bits and of floats."""

import numpy as np
import pytest

from features.images import chips
from features.images.chips import ChipError
from features.images.layout import Layout, format_ranges, parse_levels
from features.images.spec import ChipSpec
from tests.scene_files import noise, write_scene

RGB = noise(40, 40, 3, "uint16")


def load(path, levels, **spec):
    return chips.load_with_remarks(path, ChipSpec(side=40, layout=Layout(levels=levels), **spec))


def test_a_range_is_a_straight_line_that_ends_at_black_and_white(tmp_path):
    path = write_scene(tmp_path / "a.tif", RGB)
    expected = np.rint(255 * np.clip((RGB.astype(float) - 2000) / 1500, 0, 1))
    np.testing.assert_array_equal(load(path, "2000:3500").pixels, expected)


def test_bits_are_a_range_from_0(tmp_path):
    path = write_scene(tmp_path / "a.tif", RGB)
    np.testing.assert_array_equal(load(path, "0:16383").pixels, load(path, "14bit").pixels)


def test_each_band_of_the_model_may_have_its_own_range_wherever_the_file_has_it(tmp_path):
    path = write_scene(tmp_path / "a.tif", RGB, descriptions=("blue", "green", "red"))
    pixels = load(path, "1000:4000,2000:4000,3000:4000").pixels
    for band, low in enumerate((1000, 2000, 3000)):
        values = RGB[..., 2 - band].astype(float)
        np.testing.assert_array_equal(pixels[..., band], np.rint(255 * np.clip((values - low) / (4000 - low), 0, 1)))


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-3, 0.0), (0.01, -30.0)])
def test_floats_of_any_unit_have_the_colours_of_levels_of_the_same_range(scale, offset, tmp_path):
    whole = write_scene(tmp_path / "levels.tif", RGB)
    part = write_scene(tmp_path / "floats.tif", (RGB * scale + offset).astype(np.float32))
    low, high = 2000 * scale + offset, 4500 * scale + offset
    difference = load(part, f"{low}:{high}").pixels.astype(int) - load(whole, "2000:4500").pixels
    assert np.abs(difference).max() <= 1
    assert np.mean(difference != 0) < 0.01


def test_nan_and_nodata_of_floats_are_black_and_no_data(tmp_path):
    values = RGB.astype(np.float32)
    values[0, :5], values[1, :5] = np.nan, -9999
    path = write_scene(tmp_path / "a.tif", values, nodata=-9999)
    assert not load(path, "-100:4000").pixels[:2, :5].any()
    assert not chips.read_image(path, ChipSpec(layout=Layout(levels="-100:4000"))).valid[:2, :5].any()


def test_a_range_of_the_training_chips_counts_where_nothing_else_is_stated(tmp_path):
    trained = Layout(levels="2000:4500")
    for path in (write_scene(tmp_path / "a.tif", RGB), write_scene(tmp_path / "b.tif", RGB.astype(np.float32))):
        expected = load(path, "2000:4500").pixels
        np.testing.assert_array_equal(load(path, "auto", training_layout=trained).pixels, expected)
        assert (load(path, "1000:4500", training_layout=trained).pixels != expected).any()


def test_a_range_beyond_most_pixels_is_remarked_on(tmp_path):
    path = write_scene(tmp_path / "a.tif", RGB)
    assert "most pixels lie outside the stated levels" in load(path, "0:1500").remarks[-1].text
    assert not [remark for remark in load(path, "0:9000").remarks if "outside" in remark.text]


@pytest.mark.parametrize(
    ("levels", "dtype", "reason"),
    [
        ("0:3000", "uint8", "holds colours of 8 bits, which are read as they are, but --levels are 0:3000"),
        ("0:3000,0:2000", "uint16", "has --levels of 2 bands, but the model has 3"),
        ("2%:98%", "uint16", "are percentiles of a whole scene, which map and change find; state values"),
    ],
)
def test_ranges_that_do_not_fit_the_chip_are_refused(levels, dtype, reason, tmp_path):
    path = write_scene(tmp_path / "a.tif", noise(40, 40, 3, dtype))
    with pytest.raises(ChipError, match=reason):
        load(path, levels)


@pytest.mark.parametrize("text", ["3:3", "4:3", "1:nan", "0:inf", "1:2:3", "1:2,3", ":5", "a:b", "2%:98", "2%:1%"])
def test_ranges_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="levels are"):
        parse_levels(text)


@pytest.mark.parametrize("text", ["-1%:98%", "2%:101%", "2%:98%,2%:98%"])
def test_percentiles_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="percentiles must be one pair for all bands, from 0% to 100%"):
        parse_levels(text)


def test_found_values_are_written_so_that_they_can_be_stated():
    ranges = ((412.0, 2903.0), (-0.012345, 65535.0))
    assert parse_levels(format_ranges(ranges)).ranges == ranges

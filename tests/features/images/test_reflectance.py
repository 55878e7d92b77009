"""Chips of many bands: named by their files, and read as surface reflectance in steps of 0.0001."""

from dataclasses import replace

import numpy as np
import pytest

from features.images import decode
from features.images.chips import ChipError, fit
from features.images.layout import Layout, parse_bands
from features.images.spec import ChipSpec, parse_many_bands
from tests.features.images.images import encode

SENTINEL = (*(f"B{number}" for number in range(1, 9)), "B8A", "B9", "B10", "B11", "B12")
BANDS = ("b1", "blue", "green", "red", "b5", "b6", "b7", "nir", "b8a", "b9", "b10", "b11", "b12")
SPEC = ChipSpec(BANDS, "uint16", 20)
LEVELS = np.random.default_rng(0).integers(100, 9000, (20, 20, 13)).astype(np.uint16)


def load(pixels, spec=SPEC, *, levels="auto", bands=None, trained="auto", **options):
    spec = replace(spec, layout=Layout(bands, levels), training_layout=Layout(None, trained))
    chip = fit(decode.image(encode(pixels, **{"descriptions": SENTINEL, **options})), spec, "a.tif")
    return chip.pixels, [remark.text for remark in chip.remarks]


def test_sentinels_bands_have_their_names_and_levels_are_kept():
    pixels, remarks = load(LEVELS)
    np.testing.assert_array_equal(pixels, LEVELS)
    assert remarks == ["levels taken as surface reflectance in steps of 0.0001"]


def test_named_bands_are_selected_in_the_models_order_from_files_with_more():
    order = (12, 7, 3, 2, 1)
    pixels, _ = load(LEVELS, replace(SPEC, bands=tuple(BANDS[place] for place in order)))
    np.testing.assert_array_equal(pixels, LEVELS[..., order])


def test_files_without_names_have_the_models_order_and_say_so():
    pixels, remarks = load(LEVELS, descriptions=[""] * 13)
    np.testing.assert_array_equal(pixels, LEVELS)
    assert remarks[0].startswith("13 bands taken as b1, blue, green")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"descriptions": ["coastal", *SENTINEL[1:]]},
            "states the bands coastal, .* so no b1, but the model expects b1,",
        ),
        ({"descriptions": [*SENTINEL[:12], "B11"]}, "so 2 bands named b11"),
        ({"bands": parse_bands("red green blue nir")}, "has 13 bands, but 4 are stated"),
        (
            {"levels": "12bit"},
            "has --levels 12bit, which are colours, but a model of 13 bands expects surface reflectance",
        ),
        ({"levels": "0:3000"}, "has --levels 0:3000, which are colours"),
        ({"levels": "0.01"}, "would be a surface reflectance of 8.*say by --levels what they are"),
    ],
)
def test_names_and_levels_that_do_not_match_are_refused_in_one_line(options, message):
    with pytest.raises(ChipError, match=message) as refusal:
        load(LEVELS, **options)
    assert "\n" not in str(refusal.value)


def test_other_types_and_numbers_of_bands_are_refused():
    with pytest.raises(ChipError, match="13 bands of uint8, but the model expects uint16 or float32 of b1, blue"):
        load((LEVELS // 256).astype(np.uint8))
    with pytest.raises(ChipError, match=r"has 6 bands of uint16, .* pass chips of these bands, in this order where"):
        load(LEVELS[..., :6], descriptions=[""] * 6)
    with pytest.raises(ChipError, match="would be a surface reflectance of 6"):
        load(LEVELS * 7)


def test_other_scales_become_the_same_steps():
    landsat = np.rint((LEVELS * 1e-4 + 0.2) / 2.75e-05).astype(np.uint16)
    for options in (
        {"levels": "0.0000275,-0.2"},
        {"trained": "0.0000275,-0.2"},
        {"scales": [2.75e-05] * 13, "offsets": [-0.2] * 13},
    ):
        pixels, remarks = load(landsat, **options)
        assert np.abs(pixels.astype(int) - LEVELS).max() <= 1
        assert remarks == []
    np.testing.assert_array_equal(load(landsat, levels="dn")[0], landsat)


def test_floats_are_reflectance_or_have_a_stated_scale():
    pixels, remarks = load((LEVELS * 1e-4).astype(np.float32))
    np.testing.assert_array_equal(pixels, LEVELS)
    assert remarks == ["floats taken as surface reflectance from 0 to 1"]
    pixels, remarks = load((LEVELS * 1e-2).astype(np.float32), levels="0.01")  # percent
    np.testing.assert_array_equal(pixels, LEVELS)
    assert remarks == []
    pixels, _ = load(LEVELS.astype(np.float32), levels="0.0001")
    np.testing.assert_array_equal(pixels, LEVELS)
    with pytest.raises(ChipError, match=r"holds floats up to .*for more than four bands the scale, such as 0\.0001"):
        load(LEVELS.astype(np.float32))
    with pytest.raises(ChipError, match="holds floats, but --levels are 0:3000"):
        load(LEVELS.astype(np.float32), levels="0:3000")


def test_bands_of_a_network_are_named_once_with_the_colours_among_them():
    assert parse_many_bands(SENTINEL) == parse_many_bands(BANDS) == BANDS
    superdove = ("coastal blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir")
    assert parse_many_bands(superdove) == ("coastal_blue", *superdove[1:])
    with pytest.raises(ValueError, match="name coastal twice; name each band once"):
        parse_many_bands(("red", "green", "blue", "coastal", "coastal"))
    with pytest.raises(ValueError, match="have no red; name each band once, red, green and blue among them"):
        parse_many_bands(("vv", "vh", "green", "blue", "nir"))

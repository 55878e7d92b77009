"""Test which band is taken as which colour, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from features.images import decode, sensor_colours
from features.images.chips import ChipError, fit
from features.images.layout import Layout
from features.images.spec import ChipSpec
from tests.features.images.images import COLOURS, DN, encode

BGRN = ("blue", "green", "red", "nir")
SPEC = ChipSpec(side=20)
PLAIN = sensor_colours.colours(DN)


def load(content, layout=Layout()):  # noqa: B008  it is frozen
    chip = fit(decode.image(content), ChipSpec(side=20, layout=layout), "a.tif")
    return chip.pixels, [remark.text for remark in chip.remarks]


def test_bands_without_names_are_assumed_with_a_remark():
    pixels, remarks = load(encode(DN))
    np.testing.assert_array_equal(pixels, PLAIN)
    assert remarks == ["4 bands taken as blue, green, red, nir", "levels taken as analytic DN"]


@pytest.mark.parametrize("order", [(2, 1, 0, 3), (3, 0, 1, 2), (1, 3, 2, 0)])
def test_described_bands_are_reordered(order):
    pixels, remarks = load(encode(DN[..., order], descriptions=[BGRN[band] for band in order]))
    np.testing.assert_array_equal(pixels, PLAIN)
    assert remarks == ["levels taken as analytic DN"]


def test_described_colours_are_reordered_in_8_bits_and_more_bands():
    content = encode(COLOURS[..., ::-1].copy(), colours=["blue", "green", "red"])
    np.testing.assert_array_equal(load(content)[0], COLOURS)
    extra = np.dstack([COLOURS[..., :1], COLOURS[..., ::-1], COLOURS[..., 1:2]])
    content = encode(extra, descriptions=["coastal", "blue", "green", "red", "yellow"])
    np.testing.assert_array_equal(load(content)[0], COLOURS)


def test_the_competitions_alpha_is_near_infrared():
    content = encode(DN, photometric="RGB", alpha="PREMULTIPLIED")
    assert decode.image(content).bands == ("red", "green", "blue", "alpha")
    np.testing.assert_array_equal(load(content)[0], PLAIN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"descriptions": ["VV", "VH", "angle", "inc"]}, "states the bands vv, vh, angle, inc, so no red"),
        ({"descriptions": ["red", "red", "blue", "nir"]}, "so 2 bands named red"),
        ({"descriptions": ["blue", "green", None, None]}, "states the bands blue, green, unnamed, unnamed, so no red"),
        ({"colours": ["cyan", "magenta", "yellow", "black"]}, "states the bands cyan"),
    ],
)
def test_other_bands_are_refused(options, message):
    with pytest.raises(ChipError, match=message):
        load(encode(DN, **options))


@pytest.mark.parametrize("alpha", [np.full((20, 20), 65535), np.arange(400).reshape(20, 20) % 2 * 65535])
def test_true_alpha_is_not_taken_as_near_infrared(alpha):
    content = encode(np.dstack([DN[..., :3], alpha]).astype(np.uint16), photometric="RGB", alpha="YES")
    with pytest.raises(ChipError, match="3 bands of uint16, but the model expects uint8 red, green, blue; say what"):
        load(content)
    with pytest.raises(ChipError, match="states the bands red, green, blue, so no nir"):
        fit(decode.image(content), ChipSpec(BGRN, "uint16", 20), "a.tif")


def test_a_fourth_8_bit_band_that_is_no_alpha_is_refused():
    content = encode(np.dstack([COLOURS, COLOURS[..., :1]]))
    with pytest.raises(ChipError, match="states that a band is alpha, but it is neither"):
        load(content)


def test_grey_palette_and_opaque_alpha_are_read_as_in_a_png():
    grey = COLOURS[..., :1]
    np.testing.assert_array_equal(load(encode(grey))[0], np.repeat(grey, 3, axis=2))
    np.testing.assert_array_equal(load(encode(255 - grey, photometric="MINISWHITE"))[0], np.repeat(grey, 3, axis=2))
    alpha = np.full((20, 20), 255, np.uint8)
    np.testing.assert_array_equal(load(encode(np.dstack([COLOURS, alpha])))[0], COLOURS)
    pixels, _ = load(encode(np.dstack([grey, alpha]), colours=["gray", "alpha"]))
    np.testing.assert_array_equal(pixels, np.repeat(grey, 3, axis=2))

    index = np.arange(400, dtype=np.uint16).reshape(20, 20, 1) % 200
    palette = {number: (number, 255 - number, number // 2, 255) for number in range(256)}
    expected = np.dstack([index, 255 - index, index // 2]).astype(np.uint8)
    content = encode(index.astype(np.uint8), photometric="palette", colormap=palette)
    np.testing.assert_array_equal(load(content)[0], expected)


def test_the_users_order_counts_before_the_files():
    content = encode(DN[..., [2, 1, 0, 3]], descriptions=BGRN)
    np.testing.assert_array_equal(load(content, Layout(("red", "green", "blue", "nir")))[0], PLAIN)
    six = np.dstack([DN[..., ::-1], DN[..., :2]])
    np.testing.assert_array_equal(load(encode(six), Layout(("nir", "red", "green", "blue", "x", "x")))[0], PLAIN)
    with pytest.raises(ChipError, match="has 6 bands, but 4 are stated"):
        load(encode(six), Layout(BGRN))
    with pytest.raises(ChipError, match="so no blue"):
        load(encode(DN), Layout(("red", "green", "x", "nir")))


def test_a_competition_tif_that_is_half_empty_still_has_near_infrared():
    half = np.concatenate([np.zeros_like(DN[:12]), DN[12:]])
    pixels, remarks = load(encode(half, photometric="RGB", alpha="PREMULTIPLIED"))
    np.testing.assert_array_equal(pixels, sensor_colours.colours(half))
    assert remarks[0] == "4 bands taken as blue, green, red, nir"


def test_alpha_beside_minimum_is_white_and_beside_a_palette_counts():
    grey = COLOURS[..., :1]
    opaque, clear = np.full((20, 20), 255, np.uint8), np.zeros((20, 20), np.uint8)
    pixels, _ = load(encode(np.dstack([255 - grey, opaque]), photometric="MINISWHITE", alpha="YES"))
    np.testing.assert_array_equal(pixels, np.repeat(grey, 3, axis=2))
    with pytest.raises(ChipError, match="holds no data"):
        load(encode(np.dstack([grey, clear]), photometric="MINISWHITE", alpha="YES"))


def test_fewer_than_8_bits_of_a_tif_are_scaled_as_those_of_a_png():
    for bits in (1, 2, 4, 5):
        levels = COLOURS >> (8 - bits)
        expected = np.rint(levels * (255 / ((1 << bits) - 1)))
        np.testing.assert_array_equal(load(encode(levels, nbits=bits))[0], expected)
    white = encode(15 - (COLOURS[..., :1] >> 4), photometric="MINISWHITE", nbits=4)
    np.testing.assert_array_equal(load(white)[0], np.repeat((COLOURS[..., :1] >> 4) * 17, 3, axis=2))


def test_lab_colours_are_refused():
    for big in ("NO", "YES"):
        with pytest.raises(ValueError, match=r"is a TIF of L\*a\*b\* colours"):
            decode.image(encode(COLOURS, photometric="CIELAB", BIGTIFF=big))


def test_the_users_order_is_of_tifs_only_and_may_name_alpha():
    png = encode(COLOURS, "PNG")
    np.testing.assert_array_equal(load(png, Layout(("blue", "green", "red")))[0], COLOURS)
    clear = encode(np.dstack([COLOURS, np.zeros((20, 20), np.uint8)]))
    with pytest.raises(ChipError, match="holds no data"):
        load(clear, Layout(("red", "green", "blue", "alpha")))


def test_the_order_of_training_files_counts_after_what_a_file_states():
    spec = ChipSpec(side=20, training_layout=Layout(("red", "green", "blue", "nir"), "dn"))

    def read(content):
        chip = fit(decode.image(content), spec, "a.tif")
        return chip.pixels, chip.remarks

    plain = encode(DN[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read(plain)[0], PLAIN)
    assert read(plain)[1] == ()
    np.testing.assert_array_equal(read(encode(DN[..., [2, 1, 0, 3]], descriptions=["red", "g", "b", "NIR"]))[0], PLAIN)
    with pytest.raises(ChipError, match="states the bands blue, green, red, nir, but the model's training"):
        read(encode(DN, descriptions=BGRN))
    np.testing.assert_array_equal(read(encode(COLOURS))[0], COLOURS)
    explicit = fit(decode.image(encode(DN, descriptions=BGRN)), replace(spec, layout=Layout(BGRN)), "a.tif")
    np.testing.assert_array_equal(explicit.pixels, PLAIN)

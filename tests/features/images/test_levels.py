"""Test how the levels of 16-bit chips become colours, and which are refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from features.images import decode, sensor_colours
from features.images.chips import ChipError, fit
from features.images.layout import Layout, parse_bands, parse_levels
from features.images.spec import ChipSpec
from tests.features.images.images import COLOURS, DN, encode

BGRN = sensor_colours.BANDS
PLAIN = sensor_colours.colours(DN)
DEEP = COLOURS.astype(np.uint16) * 257


def load(content, levels="auto", bands=None, spec=None):
    chip = fit(decode.image(content), spec or ChipSpec(side=20, layout=Layout(bands, levels)), "a")
    return chip.pixels, [remark.text for remark in chip.remarks]


def reflectance(scale=1e-4, offset=0.0):
    """Return levels of a surface reflectance that are those of `DN`, up to rounding."""
    lines = np.array([sensor_colours.REFLECTANCE_LINES[band] for band in BGRN], float)
    physical = (DN - lines[:, 0]) / (lines[:, 1] - lines[:, 0])
    return np.rint((physical - offset) / scale).clip(0, 65535).astype(np.uint16)


def with_chunk(png, kind, content):
    """Return a PNG with a chunk after its header."""
    chunk = kind + content
    return png[:33] + struct.pack(">I", len(content)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


# reflectance


@pytest.mark.parametrize(("levels", "scale", "offset"), [("reflectance", 1e-4, 0), ("0.0000275,-0.2", 2.75e-5, -0.2)])
def test_stated_reflectance_gives_the_colours_of_analytic_dn(levels, scale, offset):
    pixels, remarks = load(encode(reflectance(scale, offset)), levels)
    assert np.abs(pixels.astype(int) - PLAIN).max() <= 1
    assert remarks == ["4 bands taken as blue, green, red, nir"]


def test_the_scale_and_offset_of_a_file_state_reflectance():
    content = encode(reflectance(2.75e-5, -0.2), scales=[2.75e-5] * 4, offsets=[-0.2] * 4)
    assert np.abs(load(content)[0].astype(int) - PLAIN).max() <= 1
    rgb = encode(reflectance()[..., :3], descriptions=BGRN[:3], scales=[1e-4] * 3)
    assert np.abs(load(rgb)[0].astype(int) - PLAIN).max() <= 1


def test_a_scale_of_radiance_states_analytic_dn():
    pixels, remarks = load(encode(DN, scales=[0.01] * 4))
    np.testing.assert_array_equal(pixels, PLAIN)
    assert remarks == ["4 bands taken as blue, green, red, nir"]


def test_a_scale_that_is_no_reflectance_is_refused():
    with pytest.raises(ChipError, match=r"states a scale of 0.1 and an offset of 0, by which its highest level is"):
        load(encode(DN, scales=[0.1] * 4))


def test_reflectance_reaches_a_network_of_sensor_bands_as_dn():
    spec = ChipSpec(BGRN, "uint16", 20, Layout(None, "reflectance"))
    dn, _ = load(encode(reflectance()), spec=spec)
    assert np.abs(dn.astype(int) - DN).max() <= 3
    assert dn.dtype == np.uint16


def test_a_reflectance_of_forest_has_the_dn_of_real_forest():
    forest = {"blue": 0.02, "green": 0.04, "red": 0.02, "nir": 0.28}
    dn = {band: int(sensor_colours.dn_of_reflectance(np.array(value), band)) for band, value in forest.items()}
    assert dn == {"blue": 3729, "green": 3044, "red": 1835, "nir": 6544}


# levels that are not analytic DN


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (reflectance(), r"has levels too low for analytic DN \(blue [\d,]+ to [\d,]+, green .*, and would be black"),
        (reflectance(1e-4, -0.1), "has levels too low for analytic DN"),  # Sentinel-2 since 2022
        (reflectance() // 40, "has levels too low for analytic DN"),
    ],
)
def test_dark_levels_without_a_statement_are_refused(levels, message):
    with pytest.raises(ChipError, match=message + ".*--levels dn, reflectance, a scale"):
        load(encode(levels))


def test_bright_red_below_brighter_infrared_is_refused():
    forest = np.random.default_rng(0).normal([0.03, 0.05, 0.03, 0.3], 0.01, (20, 20, 4))
    with pytest.raises(ChipError, match=r"that are no analytic DN .*: red is bright, and near infrared far brighter"):
        load(encode(np.rint((forest + 0.2) / 2.75e-5).astype(np.uint16)))


def test_an_all_black_result_is_refused_even_if_stated():
    with pytest.raises(ChipError, match="would be black"):
        load(encode(DN // 50), "dn")
    assert load(encode(DN // 2), "dn")[0].max() > 16


def test_nearly_white_chips_get_a_remark():
    bright = np.random.default_rng(0).integers(30000, 50000, (20, 20, 4)).astype(np.uint16)
    assert load(encode(bright))[1][-1] == "most pixels are nearly white; are the levels right?"


# colours of some bits


def test_a_16_bit_png_has_its_whole_range():
    np.testing.assert_array_equal(load(encode(DEEP, "PNG"))[0], COLOURS)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_16_bit_png_of_fewer_bits_is_refused_or_stated(bits):
    shallow = np.rint(COLOURS / 255 * ((1 << bits) - 1)).astype(np.uint16)
    content = encode(shallow, "PNG")
    with pytest.raises(ChipError, match=f"end at {shallow.max():,} of 65,535.* pass --levels {bits}bit"):
        load(content)
    assert np.abs(load(content, f"{bits}bit")[0].astype(int) - COLOURS).max() <= 1
    stated = with_chunk(content, b"sBIT", bytes([bits] * 3))
    assert np.abs(load(stated)[0].astype(int) - COLOURS).max() <= 1


def test_significant_bits_of_a_png_in_its_whole_range_change_nothing():
    np.testing.assert_array_equal(load(with_chunk(encode(DEEP, "PNG"), b"sBIT", b"\x08\x08\x08"))[0], COLOURS)


def test_levels_beyond_the_stated_bits_are_refused():
    with pytest.raises(ChipError, match="but 12 bits end at 4,095"):
        load(encode(DEEP, "PNG"), "12bit")


def test_a_16_bit_rgb_tif_needs_its_levels():
    for content in (encode(DEEP, photometric="RGB"), encode(DEEP)):
        with pytest.raises(ChipError, match=r"a has 3 bands of uint16, but the model expects uint8 .*; say what"):
            load(content)
        np.testing.assert_array_equal(load(content, "16bit")[0], COLOURS)
    twelve = np.rint(COLOURS / 255 * 4095).astype(np.uint16)
    assert np.abs(load(encode(twelve, photometric="RGB", nbits=12))[0].astype(int) - COLOURS).max() <= 1


def test_a_network_of_sensor_bands_takes_no_colours_of_bits():
    with pytest.raises(ChipError, match="holds colours of 12 bits, but the model expects the levels of a sensor"):
        load(encode(DN // 4), spec=ChipSpec(BGRN, "uint16", 20, Layout(None, "12bit")))


def test_8_bit_chips_have_no_levels():
    stream = io.BytesIO()
    Image.fromarray(COLOURS).save(stream, "PNG")
    np.testing.assert_array_equal(load(stream.getvalue(), "reflectance")[0], COLOURS)


# what users write


@pytest.mark.parametrize("text", ["", "DN", "sr", "0", "-1", "2", "0bit", "17bit", "0.1,2", "0.1,0,0", "nan", "1e999"])
def test_levels_that_say_nothing_are_refused(text):
    with pytest.raises(ValueError, match=f"levels are '{text}', but must be auto, dn, reflectance"):
        parse_levels(text)


@pytest.mark.parametrize(("text", "message"), [("", "names 0 bands"), ("red,green,red", "names red more than once")])
def test_bands_that_cannot_be_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_bands(text)


# single pixels and other bands


def test_defects_glints_nodata_and_other_bands_do_not_contradict_a_statement():
    scale = {"scales": [1e-4] * 4, "descriptions": BGRN}
    spoilt = reflectance()
    spoilt[0, 0] = 25000
    assert np.abs(load(encode(spoilt, **scale))[0].astype(int) - PLAIN)[1:].max() <= 1
    spoilt[:5] = 65535
    assert np.abs(load(encode(spoilt, nodata=65535, **scale))[0].astype(int) - PLAIN)[5:].max() <= 1
    quality = np.dstack([reflectance(), np.full((20, 20), 21824, np.uint16)])
    content = encode(quality, scales=[*[1e-4] * 4, 1.0], descriptions=[*BGRN, "QA_PIXEL"])
    assert np.abs(load(content)[0].astype(int) - PLAIN).max() <= 1
    twelve = np.rint(COLOURS / 255 * 4095).astype(np.uint16)
    twelve[0, 0] = 65535
    with pytest.raises(ChipError, match="pass --levels 12bit"):
        load(encode(twelve, "PNG"))
    assert np.abs(load(encode(twelve, "PNG"), "12bit")[0].astype(int) - COLOURS)[1:].max() <= 1


def test_black_pixels_do_not_make_analytic_dn_too_low():
    half = np.concatenate([np.zeros_like(DN[:12]), DN[12:]])
    pixels, remarks = load(encode(half))
    np.testing.assert_array_equal(pixels, sensor_colours.colours(half))
    assert remarks[-1] == "levels taken as analytic DN"


def test_the_bits_of_alpha_are_not_those_of_grey():
    grey = np.dstack([COLOURS[..., 0].astype(np.uint16) * 16, np.full((20, 20), 65535)]).astype(np.uint16)
    content = with_chunk(encode(grey, "PNG"), b"sBIT", b"\x0c\x10")
    assert np.abs(load(content)[0][..., 0].astype(int) - COLOURS[..., 0]).max() <= 1


def test_stated_levels_on_the_floor_or_near_white_get_a_remark():
    sentinel = reflectance(1e-4, -0.1)
    assert "most pixels lack a colour wholly; are the levels right?" in load(encode(sentinel), "dn")[1]
    assert "most pixels are nearly white; are the levels right?" in load(encode(DN + 3000), "reflectance")[1]


def test_the_levels_of_training_files_count_after_those_that_a_file_states():
    spec = ChipSpec(side=20, training_layout=Layout(None, "reflectance"))
    assert np.abs(load(encode(reflectance()), spec=spec)[0].astype(int) - PLAIN).max() <= 1
    np.testing.assert_array_equal(load(encode(DN, scales=[0.01] * 4), spec=spec)[0], PLAIN)
    np.testing.assert_array_equal(load(encode(DEEP, "PNG"), spec=spec)[0], COLOURS)

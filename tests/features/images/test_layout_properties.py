"""Property: however a file stores and states a chip, it is read as the plain chip or refused, never as another one."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.images import decode, sensor_colours
from features.images.chips import ChipError, fit
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec
from tests.features.images.images import COLOURS, DN, encode

BGRN = sensor_colours.BANDS
SPELLINGS = {
    "blue": ["blue", "Blue", "B02", "B2", "blue band", "BLUE (490 nm)"],
    "green": ["green", "GREEN", "B03", "B3", "band_green"],
    "red": ["red", "Red", "B04", "B4", "sr red"],
    "nir": ["nir", "NIR", "B08", "B8A", "Near Infrared", "near-infrared"],
}
STORAGE = st.fixed_dictionaries(
    {
        "interleave": st.sampled_from(["pixel", "band"]),
        "compress": st.sampled_from([None, "lzw", "deflate", "packbits"]),
        "tiled": st.booleans(),
        "ENDIANNESS": st.sampled_from(["LITTLE", "BIG"]),
        "nodata": st.sampled_from([None, 0, 1]),
    }
).map(lambda options: {**options, **({"blockxsize": 16, "blockysize": 16} if options["tiled"] else {})})
QUIET = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spelled(bands):
    return st.tuples(*(st.sampled_from(SPELLINGS[band]) for band in bands))


def read(content, layout=AS_STATED):
    return fit(decode.image(content), replace(ChipSpec(side=20), layout=layout), "a.tif").pixels


def assert_plain_or_refused(content, plain, *, tolerance=0):
    """Return whether the chip was read."""
    try:
        pixels = read(content)
    except ChipError:
        return False
    assert np.abs(pixels.astype(int) - plain).max() <= tolerance
    return True


@QUIET
@given(order=st.permutations(range(4)), data=st.data(), storage=STORAGE)
def test_sensor_bands_in_any_stated_order(order, data, storage):
    bands = [BGRN[band] for band in order]
    content = encode(DN[..., order], descriptions=data.draw(spelled(bands)), **storage)
    assert assert_plain_or_refused(content, sensor_colours.colours(DN))


@QUIET
@given(order=st.permutations(range(3)), by_colour=st.booleans(), alpha=st.sampled_from([None, "YES"]), storage=STORAGE)
def test_colours_in_any_stated_order_with_or_without_alpha(order, by_colour, alpha, storage):
    names = [("red", "green", "blue")[band] for band in order]
    pixels = COLOURS[..., order]
    if alpha:
        pixels = np.dstack([pixels, np.full((20, 20), 255, np.uint8)])
    named = [*names, "alpha"][: pixels.shape[2]]
    statement = {"colours": named} if by_colour else {"descriptions": named, "colours": named}
    assert assert_plain_or_refused(encode(pixels, **statement, **storage), COLOURS)


@QUIET
@given(
    names=st.lists(st.sampled_from(["red", "green", "blue", "nir", "VV", "B1", "edge", ""]), min_size=4, max_size=4),
    storage=STORAGE,
)
def test_any_statement_about_four_bands_is_heeded_or_refused(names, storage):
    content = encode(DN, descriptions=names, **storage)
    known = {name: DN[..., place] for place, name in enumerate(names)}
    if all(names.count(colour) == 1 for colour in ("red", "green", "blue")):
        stacked = np.dstack([known["blue"], known["green"], known["red"], DN[..., 3]])
        assert_plain_or_refused(content, sensor_colours.colours(stacked))
    elif any(names):
        with pytest.raises(ChipError, match="states the bands"):
            read(content)
    else:
        assert assert_plain_or_refused(content, sensor_colours.colours(DN))


@QUIET
@given(bits=st.integers(8, 16), driver=st.sampled_from(["PNG", "GTiff"]), stated=st.booleans())
def test_colours_of_any_bits_are_right_if_stated_and_else_right_or_refused(bits, driver, stated):
    deep = np.rint(COLOURS / 255 * ((1 << bits) - 1)).astype(np.uint16)
    content = encode(deep, driver, photometric="RGB") if driver == "GTiff" else encode(deep, driver)
    if stated:
        assert np.abs(read(content, Layout(None, f"{bits}bit")).astype(int) - COLOURS).max() <= 1
    elif bits == 16 or bits < 15:  # 15 bits look like a dark picture in the whole range
        assert assert_plain_or_refused(content, COLOURS, tolerance=1) == (bits == 16 and driver == "PNG")


@QUIET
@given(
    scale=st.sampled_from([1e-4, 2.75e-5, 5e-5]),
    offset=st.sampled_from([0.0, -0.1, -0.2]),
    stated=st.booleans(),
    storage=STORAGE,
)
def test_reflectance_is_right_if_stated_and_else_refused(scale, offset, stated, storage):
    lines = np.array([sensor_colours.REFLECTANCE_LINES[band] for band in BGRN], float)
    levels = np.rint(((DN - lines[:, 0]) / (lines[:, 1] - lines[:, 0]) - offset) / scale)
    content = encode(levels.clip(2, 65535).astype(np.uint16), **storage)
    if stated:
        pixels = read(content, Layout(None, f"{scale},{offset}"))
        assert np.abs(pixels.astype(int) - sensor_colours.colours(DN)).max() <= 2
    elif (scale, offset) in ((1e-4, 0.0), (1e-4, -0.1), (5e-5, 0.0)):
        with pytest.raises(ChipError, match="too low for analytic DN"):
            read(content)


def test_no_two_spellings_are_of_two_bands():
    for first, second in itertools.combinations(SPELLINGS, 2):
        assert not set(SPELLINGS[first]) & set(SPELLINGS[second])

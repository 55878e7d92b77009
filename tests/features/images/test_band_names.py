"""Test how bands are named by the metadata of a file."""

import pytest

from features.images.band_names import standard_name, standard_names

GREY = ["gray", "undefined", "undefined", "undefined"]
RGBA = ["red", "green", "blue", "alpha"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Red", "red"),
        ("BLUE", "blue"),
        ("green band", "green"),
        ("Band 3 - Red", "red"),
        ("nir", "nir"),
        ("Near Infrared", "nir"),
        ("near-infrared (842 nm)", "nir"),
        ("NearInfraRed", "nir"),
        ("B02", "blue"),
        ("B8A", "nir"),
        ("T20MPV_B04", "red"),
        ("SR_B3", "green"),
        ("b04 (red)", "red"),
        ("R", "red"),
        ("band_7", ""),
        ("3", ""),
        ("", ""),
        ("Coastal Blue", "coastal_blue"),
        ("rededge", "rededge"),
        ("Green I", "green_i"),
        ("VV", "vv"),
        ("B11", "b11"),
        ("B04 green", "green"),
        ("Red (B3)", "red"),
        ("vis-red", "red"),
        ("B4_median", "red"),
        ("nir08", "nir"),
        ("Near IR", "nir"),
        ("red minus blue", "red_minus_blue"),
    ],
)
def test_a_description_gives_a_colour_or_its_own_words(text, name):
    assert standard_name(text) == name


@pytest.mark.parametrize(
    ("descriptions", "colours", "names"),
    [
        ((None,) * 4, GREY, ("", "", "", "")),
        ((None,) * 4, RGBA, ("red", "green", "blue", "alpha")),
        (("red", "green", "blue", "nir"), GREY, ("red", "green", "blue", "nir")),
        (("blue", "green", "red", "nir"), RGBA, ("blue", "green", "red", "nir")),
        (("red", "green", "blue", None), RGBA, ("red", "green", "blue", "alpha")),
        (("red", None, None, None), GREY, ("red", "", "", "")),
        (("Band 1", "Band 2", "Band 3", "Band 4"), GREY, ("", "", "", "")),
        (("B1", "B2", "B3", "B4"), GREY, ("", "", "", "")),
        (("b0", "b1", "b2", "b3"), GREY, ("", "", "", "")),
        (("B01", "B02", "B03", "B04"), GREY, ("b1", "blue", "green", "red")),
        (("B1", "B2", "B3", "B5"), GREY, ("b1", "b2", "b3", "b5")),
        (("B02", "B03", "B04", "B08", "B8A"), [*GREY, "undefined"], ("blue", "green", "red", "nir", "b8a")),
        (("B04", "B03", "B02", "B08"), GREY, ("red", "green", "blue", "nir")),
        (("VV", "VH", "angle", "inc"), GREY, ("vv", "vh", "angle", "inc")),
        ((None,), ["gray"], ("grey",)),
        ((None, None), ["gray", "alpha"], ("grey", "alpha")),
        ((None, None, None), ["cyan", "magenta", "yellow"], ("cyan", "magenta", "yellow")),
    ],
)
def test_descriptions_count_before_colour_interpretations(descriptions, colours, names):
    assert standard_names(descriptions, colours) == names

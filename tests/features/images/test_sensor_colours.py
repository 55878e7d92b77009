"""Test the visible colours of 4-band chips."""

import numpy as np
import pytest

from features.images import chips, sensor_colours

ALIGNED = {  # chip number: shift of its JPG along x in pixels, from tests/benchmarks/visual_mapping.py
    **dict.fromkeys((1, 2, 3, 5, 6, 10, 11, 12, 15, 16, 17, 18, 20, 24), 0),
    **{4: 22, 8: 22, 13: 34, 23: 35, 25: 13},
}


def ramp():
    """Return every level in every band, (65536, 1, 4)."""
    return np.repeat(np.arange(65536, dtype=np.uint16)[:, None, None], 4, axis=2)


def test_colours_are_the_curve_of_each_band():
    colours = sensor_colours.colours(ramp())
    for place, (gain, offset) in enumerate(zip(sensor_colours.GAINS, sensor_colours.OFFSETS, strict=True)):
        curve = sensor_colours.shoulder(np.arange(65536.0), gain, offset)
        np.testing.assert_array_equal(colours[:, 0, place], np.rint(np.clip(curve, 0, 255)))


def test_a_brighter_level_is_never_darker():
    colours = sensor_colours.colours(ramp())[:, 0].astype(int)
    assert (np.diff(colours, axis=0) >= 0).all()
    assert colours.min() == 0
    assert colours.max() == sensor_colours.CEILING


def test_the_curve_has_no_kink():
    steps = np.diff(sensor_colours.shoulder(np.arange(10000.0), 40.0, -42.0))
    assert np.abs(np.diff(steps)).max() < 1e-4


@pytest.mark.parametrize(("band", "colour"), [("blue", 2), ("green", 1), ("red", 0), ("nir", None)])
def test_a_band_changes_only_its_own_colour(band, colour):
    dark = np.full((2, 2, 4), 2000, np.uint16)
    bright = dark.copy()
    bright[..., sensor_colours.BANDS.index(band)] = 8000
    changed = (sensor_colours.colours(bright) != sensor_colours.colours(dark)).any(axis=(0, 1))
    assert [place for place in range(3) if changed[place]] == ([] if colour is None else [colour])


@pytest.mark.real
def test_the_error_on_real_pairs_is_as_documented(real):
    errors = []
    for number, shift in ALIGNED.items():
        expected = chips.read(real / "planet" / "train-jpg" / f"train_{number}.jpg").astype(int)
        tif = chips.read(real / "planet" / "train-tif-v2" / f"train_{number}.tif")
        colours = sensor_colours.colours(tif).astype(int)
        errors.append(np.abs(colours[:, : 256 - shift] - expected[:, shift:]).mean())
    assert len(errors) == 19
    assert np.mean(errors) < 12.1  # the error on pairs left out of the fit; on fitted pairs it is smaller
    assert np.median(errors) < 5.5

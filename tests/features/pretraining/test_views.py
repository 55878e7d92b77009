"""Views show the same place: they follow from their generator and stay within their limits."""

import numpy as np
import pytest

from features.images.views import view
from features.pretraining.views import GEOMETRIC, PAIRED, ViewSettings, random_view

RNG = np.random.default_rng(0)
PLAIN = ViewSettings(least_area=1.0, gain=0, offset=0, blurred=0, dropped=0)


def chip(side=24, bands=3, dtype="uint8"):
    return RNG.integers(0, np.iinfo(dtype).max + 1, (side, side, bands), dtype=dtype)


def views(original, settings, side=None, count=60):
    generators = np.random.default_rng(1).spawn(count)
    return [random_view(original, side or len(original), one, settings) for one in generators]


@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (4, "uint16")])
def test_the_same_generator_makes_the_same_view_of_the_chips_type(bands, dtype):
    original = chip(40, bands, dtype)
    first, second = (random_view(original, 24, np.random.default_rng(7), PAIRED) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (24, 24, bands)
    assert first.dtype == dtype
    assert not np.array_equal(first, random_view(original, 24, np.random.default_rng(8), PAIRED))


def test_without_crop_and_colour_views_are_the_eight_of_the_square():
    original = chip()
    known = [view(original, number) for number in range(8)]
    found = {next(n for n, other in enumerate(known) if np.array_equal(one, other)) for one in views(original, PLAIN)}
    assert found == set(range(8))


@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (4, "uint16")])
def test_a_view_shows_between_the_least_area_and_the_whole(bands, dtype):
    scale = np.iinfo(dtype).max // 255
    rows, columns = np.mgrid[0:200, 0:200]
    ramp = np.stack([rows, columns, rows, columns][:bands], axis=-1).astype(dtype) * scale
    ranges = [np.ptp(one[..., 0].astype(float)) / scale / 199 for one in views(ramp, GEOMETRIC, side=100)]
    assert 0.3**0.5 - 0.02 <= min(ranges) < 0.65
    assert 0.95 < max(ranges) <= 1


def test_gain_and_offset_stay_within_their_limits_for_each_band_by_itself():
    flat = np.full((8, 8, 3), 100, np.uint8)
    levels = np.array([one[0, 0] for one in views(flat, PAIRED)], float)
    assert 69 <= levels.min() < 80
    assert 120 < levels.max() <= 131
    assert (np.ptp(levels, axis=1) > 5).mean() > 0.5


def test_bright_and_dark_pixels_are_not_wrapped_around():
    bright = np.full((8, 8, 3), 250, np.uint8)
    assert min(one.min() for one in views(bright, ViewSettings(gain=0.2, offset=0.1))) > 150


def test_blur_spreads_a_pixel_and_keeps_the_mean():
    dot = np.zeros((21, 21, 3), np.uint8)
    dot[10, 10] = 255
    blurred = ViewSettings(least_area=1.0, gain=0, offset=0, blurred=1.0, dropped=0)
    softest = min(views(dot, blurred), key=np.max)
    assert softest.max() < 60
    assert softest[8:13, 8:13].sum() == softest.sum()
    assert softest[..., 0].sum() == pytest.approx(255, abs=13)


@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (4, "uint16")])
def test_one_of_four_bands_is_dropped_at_times_and_none_of_three(bands, dtype):
    settings = ViewSettings(gain=0, offset=0, blurred=0, dropped=0.2)
    dropped = [(np.ptp(one.astype(int), axis=(0, 1)) <= 1).sum() for one in views(chip(16, bands, dtype), settings)]
    assert set(dropped) == ({0, 1} if bands == 4 else {0})
    assert bands == 3 or 0.05 < np.mean(dropped) < 0.4

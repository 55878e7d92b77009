"""Shifts between two pictures: against the definition, and on a scene of which two parts were cut."""

import numpy as np
import pytest

from amazon_tags.datasets import sample
from features.scenes import registration


@pytest.fixture(scope="module")
def scene():
    return sample.render(["clear", "primary", "agriculture", "road"], seed=5, side=256)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (22, 0), (-13, 5), (35, -31), (2, 60)])
def test_a_shift_is_found_and_its_correlation_is_that_of_the_overlap(scene, right, down):
    first = scene[64:192, 64:192].astype(float)
    second = scene[64 + down : 192 + down, 64 + right : 192 + right].astype(float)
    found = registration.match(first.mean(axis=2), second.mean(axis=2), far=63)
    assert (found.right, found.down) == (right, down)
    assert found.correlation > 0.9
    ours, theirs = registration.overlap(first, second, found)
    np.testing.assert_array_equal(ours, theirs)
    details = [registration._details(part.mean(axis=2))[..., np.newaxis] for part in (first, second)]
    ours, theirs = registration.overlap(*details, found)
    assert found.correlation == pytest.approx(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1], abs=1e-6)


def test_other_places_do_not_correlate(scene):
    other = sample.render(["clear", "primary", "water"], seed=6, side=256)
    assert registration.match(scene.mean(axis=2), other.mean(axis=2)).correlation < 0.4


def test_flat_pictures_are_no_match():
    flat = np.full((64, 64), 7.0)
    assert registration.match(flat, flat).correlation == pytest.approx(0, abs=1e-6)


def test_pictures_of_two_sizes_are_refused(scene):
    grey = scene.mean(axis=2)
    with pytest.raises(ValueError, match="give them one size"):
        registration.match(grey, grey[:-1])


@pytest.mark.parametrize("order", [(2, 1, 0), (0, 1, 2), (3, 0, 2)])
def test_bands_are_told_by_what_they_show(scene, order):
    colours = scene.astype(float)
    bands = np.random.default_rng(0).uniform(0, 255, (*scene.shape[:2], 4))
    for colour, band in enumerate(order):
        bands[..., band] = 40 * colours[..., colour] + 3000
    assert registration.band_order(colours, bands) == order

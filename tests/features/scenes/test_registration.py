"""Test shifts between two pictures: against the definition, on two parts of one scene."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from amazon_tags.datasets import sample
from features.scenes import registration


@pytest.fixture(scope="module")
def scene():
    return sample.render(["clear", "primary", "agriculture", "road"], seed=5, side=256)


def band_pass(picture):
    """Return the details (H, W, 1) that are compared, by the definition."""
    fine, coarse = registration.FINE_PIXELS, registration.COARSE_PIXELS
    return (gaussian_filter(picture, fine) - gaussian_filter(picture, coarse))[..., np.newaxis]


@pytest.mark.parametrize(("right", "down"), [(0, 0), (22, 0), (-13, 5), (35, -31), (2, 60)])
def test_a_shift_is_found_with_the_correlation_of_the_overlap(scene, right, down):
    first = scene[64:192, 64:192].astype(float)
    second = scene[64 + down : 192 + down, 64 + right : 192 + right].astype(float)
    match = registration.match(first.mean(axis=2), second.mean(axis=2), far=63)
    assert (match.right, match.down) == (right, down)
    assert match.correlation > 0.9
    ours, theirs = registration.overlap(first, second, match)
    np.testing.assert_array_equal(ours, theirs)
    ours, theirs = registration.overlap(*(band_pass(part.mean(axis=2)) for part in (first, second)), match)
    assert match.correlation == pytest.approx(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1], abs=1e-6)


def test_other_places_do_not_correlate(scene):
    other = sample.render(["clear", "primary", "water"], seed=6, side=256)
    assert registration.match(scene.mean(axis=2), other.mean(axis=2)).correlation < 0.4


def test_flat_pictures_do_not_match():
    flat = np.full((64, 64), 7.0)
    assert registration.match(flat, flat).correlation == pytest.approx(0, abs=1e-6)


def test_pictures_of_two_sizes_are_refused(scene):
    grey = scene.mean(axis=2)
    with pytest.raises(ValueError, match="give them one size"):
        registration.match(grey, grey[:-1])


@pytest.mark.parametrize("order", [(2, 1, 0), (0, 1, 2), (3, 0, 2)])
def test_bands_are_recognised_by_their_content(scene, order):
    colours = scene.astype(float)
    bands = np.random.default_rng(0).uniform(0, 255, (*scene.shape[:2], 4))
    for colour, band in enumerate(order):
        bands[..., band] = 40 * colours[..., colour] + 3000
    assert registration.band_order(colours, bands) == order

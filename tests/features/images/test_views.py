"""Test the eight dihedral views of a chip."""

import numpy as np
import pytest

from features.images import views


def chip(shape=(5, 5, 3), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def turn_back(turned, number):
    """Undo a view by numpy: mirror first, then turn clockwise."""
    upright = np.flip(turned, axis=-2) if number >= 4 else turned
    return np.rot90(upright, -(number % 4), axes=(-3, -2))


@pytest.mark.parametrize("number", range(views.VIEWS))
@pytest.mark.parametrize("shape", [(5, 5, 3), (4, 6, 4), (3, 5, 5, 1), (2, 4, 6, 3), (0, 4, 4, 3)])
def test_a_view_turned_back_is_the_chip(shape, number):
    upright = chip(shape, np.uint16)
    turned = views.view(upright, number)
    assert turned.dtype == upright.dtype
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turn_back(turned, number), upright)


def test_view_0_is_the_chip_itself():
    upright = chip()
    np.testing.assert_array_equal(views.view(upright, 0), upright)


def test_all_views_differ():
    assert len({views.view(chip(), number).tobytes() for number in range(views.VIEWS)}) == views.VIEWS


def test_a_view_of_a_view_is_a_view():
    expected = {views.view(chip(), number).tobytes() for number in range(views.VIEWS)}
    for first in range(views.VIEWS):
        second_views = {views.view(views.view(chip(), first), second).tobytes() for second in range(views.VIEWS)}
        assert second_views == expected


@pytest.mark.parametrize("number", range(views.VIEWS))
def test_a_batch_is_turned_chip_by_chip(number):
    batch = chip((4, 5, 5, 3))
    np.testing.assert_array_equal(views.view(batch, number), np.stack([views.view(one, number) for one in batch]))


@pytest.mark.parametrize("number", range(views.VIEWS))
def test_pixels_keep_their_bands(number):
    upright = chip()
    turned = views.view(upright, number)
    assert sorted(map(tuple, turned.reshape(-1, 3))) == sorted(map(tuple, upright.reshape(-1, 3)))


@pytest.mark.parametrize("number", [-1, 8])
def test_other_numbers_are_refused(number):
    with pytest.raises(ValueError, match=f"got view {number}.* 0 to 7"):
        views.view(chip(), number)

"""The eight views of a chip."""

import numpy as np
import pytest

from features.images import views


def chip(shape=(5, 5, 3), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("k", range(views.VIEWS))
@pytest.mark.parametrize("shape", [(5, 5, 3), (4, 6, 4), (3, 5, 5, 1), (2, 4, 6, 3), (0, 4, 4, 3)])
def test_a_turned_chip_turned_back_is_the_chip(shape, k):
    upright = chip(shape, np.uint16)
    turned = views.view(upright, k)
    assert turned.dtype == upright.dtype
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(views.inverse(turned, k), upright)


def test_view_0_is_the_chip_itself():
    upright = chip()
    np.testing.assert_array_equal(views.view(upright, 0), upright)


def test_all_views_differ():
    assert len({views.view(chip(), k).tobytes() for k in range(views.VIEWS)}) == views.VIEWS


def test_a_view_of_a_view_is_a_view():
    known = {views.view(chip(), k).tobytes() for k in range(views.VIEWS)}
    for first in range(views.VIEWS):
        seen = {views.view(views.view(chip(), first), second).tobytes() for second in range(views.VIEWS)}
        assert seen == known


@pytest.mark.parametrize("k", range(views.VIEWS))
def test_a_batch_is_turned_chip_by_chip(k):
    batch = chip((4, 5, 5, 3))
    np.testing.assert_array_equal(views.view(batch, k), np.stack([views.view(one, k) for one in batch]))
    np.testing.assert_array_equal(views.inverse(batch, k), np.stack([views.inverse(one, k) for one in batch]))


@pytest.mark.parametrize("k", range(views.VIEWS))
def test_pixels_keep_their_bands(k):
    upright = chip()
    turned = views.view(upright, k)
    assert sorted(map(tuple, turned.reshape(-1, 3))) == sorted(map(tuple, upright.reshape(-1, 3)))


@pytest.mark.parametrize("turn", [views.view, views.inverse])
@pytest.mark.parametrize("k", [-1, 8])
def test_there_is_no_ninth_view(turn, k):
    with pytest.raises(ValueError, match=f"got view {k}.* 0 to 7"):
        turn(chip(), k)

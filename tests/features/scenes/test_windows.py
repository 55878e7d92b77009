"""Grids of windows and cells, and the share of a window that holds data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.images.chips import ChipError
from features.images.spec import ChipSpec
from features.scenes.scene import open_scene
from features.scenes.windows import Windows, data_shares, lay_grid
from tests.scene_files import noise, write_scene

sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


def all_windows(picture, grid):
    return Windows(picture, grid, np.arange(grid.count[0] * grid.count[1]))


@given(picture=sizes, window=sizes, overlap=st.floats(0, 0.9))
def test_padded_windows_cover_every_pixel_and_cells_tile_the_scene(picture, window, overlap):
    grid = lay_grid(picture, window, overlap=overlap)
    seen, tiled = np.zeros(picture[::-1], int), np.zeros(picture[::-1], int)
    for part in all_windows(None, grid):
        assert part.column < picture[0]
        assert part.row < picture[1]
        seen[part.row : part.row + part.height, part.column : part.column + part.width] += 1
    for row in range(grid.cells[1]):
        for column in range(grid.cells[0]):
            left, top, right, bottom = grid.cell_box(column, row)
            tiled[top:bottom, left:right] += 1
    assert seen.min() >= 1
    assert (tiled == 1).all()


@given(picture=sizes, window=sizes, overlap=st.floats(0, 0.9))
def test_dropped_edges_leave_windows_inside_only(picture, window, overlap):
    if window[0] > picture[0] or window[1] > picture[1]:
        with pytest.raises(ValueError, match="are fewer than a window of"):
            lay_grid(picture, window, overlap=overlap, edges="drop")
        return
    grid = lay_grid(picture, window, overlap=overlap, edges="drop")
    windows = all_windows(None, grid)
    last = windows[len(windows) - 1]
    assert picture[0] - grid.stride[0] < last.column + last.width <= picture[0]
    assert picture[1] - grid.stride[1] < last.row + last.height <= picture[1]


def test_windows_are_named_by_their_first_pixel_and_keep_their_order():
    grid = lay_grid((600, 400), (256, 200))
    windows = all_windows(None, grid)
    assert windows.names() == ["r0_c0", "r0_c256", "r0_c512", "r200_c0", "r200_c256", "r200_c512"]
    assert windows[2:4].names() == ["r0_c512", "r200_c0"]
    assert windows.take([5, 1]).names() == ["r200_c512", "r0_c256"]


@pytest.mark.parametrize(("overlap", "stride"), [(0, 100), (0.5, 50), (0.75, 25), (0.9, 10), (0.333, 66)])
def test_an_overlap_is_a_stride_in_whole_pixels(overlap, stride):
    assert lay_grid((500, 500), (100, 100), overlap=overlap).stride == (stride, stride)


@pytest.mark.parametrize(
    ("window", "overlap", "message"),
    [((10, 10), -0.1, "overlap is -0.1"), ((10, 10), 0.95, "overlap is 0.95"), ((5000, 10), 0, "5000 x 10 pixels")],
)
def test_numbers_out_of_range_are_refused(window, overlap, message):
    with pytest.raises(ValueError, match=message):
        lay_grid((500, 500), window, overlap=overlap)


@pytest.mark.parametrize("jobs", [1, 3])
def test_shares_count_nodata_the_edge_and_flat_windows(tmp_path, jobs):
    pixels = noise(100, 130)
    pixels[:50, 50:75] = 0  # half of the second window is nodata
    pixels[50:, :50] = 7  # one value
    with open_scene(write_scene(tmp_path / "scene.tif", pixels, nodata=0), readers=2) as scene:
        windows = all_windows(scene, lay_grid((130, 100), (50, 50)))
        shares = np.concatenate(list(data_shares(windows, ChipSpec(), jobs=jobs)))
    np.testing.assert_allclose(shares, [1, 0.5, 0.6, 0, 1, 0.6])


def test_alpha_and_masks_hold_no_data_either(tmp_path):
    opaque = np.ones((40, 80), bool)
    opaque[:, 10:20] = False
    alpha = np.dstack([noise(40, 80), 255 * opaque.astype(np.uint8)])
    paths = [
        write_scene(tmp_path / "alpha.tif", alpha, colours=["red", "green", "blue", "alpha"]),
        write_scene(tmp_path / "mask.tif", noise(40, 80), mask=opaque),
    ]
    for path in paths:
        with open_scene(path) as scene:
            windows = all_windows(scene, lay_grid((80, 40), (40, 40)))
            assert np.concatenate(list(data_shares(windows, ChipSpec()))).tolist() == [0.75, 1]


def test_a_scene_without_the_models_bands_is_refused_by_its_name(tmp_path):
    with open_scene(write_scene(tmp_path / "scene.tif", noise(40, 80, 2))) as scene:
        windows = all_windows(scene, lay_grid((80, 40), (40, 40)))
        with pytest.raises(ChipError, match=r"scene.tif has 2 bands of uint8, but the model expects uint8 red"):
            list(data_shares(windows, ChipSpec()))

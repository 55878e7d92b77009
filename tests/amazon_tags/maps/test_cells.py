"""Cells of overlapping windows: exactly the mean of the windows that cover each, and the bundle's decision on it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_tags.maps.cells import cell_sums, make_cells
from amazon_tags.model import bundle
from ensemble.decisions.decision import expected_f
from features.scenes.scene import open_scene
from features.scenes.windows import Windows, lay_grid
from tests.scene_files import NORTH_UP, noise, write_scene


def covering(grid, positions, cell):
    """The places of the windows that hold a cell wholly, by their pixels."""
    left, top = cell[0] * grid.stride[0], cell[1] * grid.stride[1]
    right, bottom = left + grid.stride[0], top + grid.stride[1]
    return [
        place
        for place, window in enumerate(Windows(None, grid, positions))
        if window.column <= left
        and right <= window.column + window.width
        and window.row <= top
        and bottom <= window.row + window.height
    ]


@settings(deadline=None, max_examples=40)
@given(
    picture=st.tuples(st.integers(8, 30), st.integers(8, 30)),
    window=st.tuples(st.integers(2, 20), st.integers(2, 20)),
    overlap=st.sampled_from([0, 0.25, 0.5, 0.6, 0.75]),
    edges=st.sampled_from(["pad", "drop"]),
    data=st.data(),
)
def test_a_cell_gets_the_sum_of_the_windows_that_hold_it(picture, window, overlap, edges, data):
    window = min(window[0], picture[0]), min(window[1], picture[1])
    grid = lay_grid(picture, window, overlap=overlap, edges=edges)
    whole = grid.count[0] * grid.count[1]
    seed = data.draw(st.integers(0, 99))
    positions = np.flatnonzero(np.random.default_rng(seed).random(whole) < 0.8)
    values = np.random.default_rng(seed).integers(0, 1 << 20, (len(positions), 2)).astype(float)

    sums, counts = cell_sums(grid, positions, values)

    assert counts.shape == (grid.cells[1], grid.cells[0])
    for row in range(grid.cells[1]):
        for column in range(grid.cells[0]):
            places = covering(grid, positions, (column, row))
            assert counts[row, column] == len(places)
            np.testing.assert_array_equal(sums[row, column], values[places].sum(axis=0))


@pytest.fixture(scope="module")
def model():
    return bundle.load(bundle.DEFAULT, jobs=1, precision="f32", device="cpu")


def test_a_cell_is_decided_by_the_mean_and_has_its_polygon(tmp_path, model):
    grid = lay_grid((80, 40), (40, 40), overlap=0.5, edges="drop")
    scores = np.random.default_rng(0).random((3, 17)).astype(np.float32)
    with open_scene(write_scene(tmp_path / "scene.tif", noise(40, 80))) as scene:
        cells = make_cells(scene, Windows(scene, grid, np.arange(3)), scores, np.array([1, 0.5, 0.75]), model)

    means = [scores[0], scores[:2].mean(axis=0), scores[1:].mean(axis=0), scores[2]] * 2
    np.testing.assert_allclose(cells.scores, means, rtol=1e-7)
    np.testing.assert_array_equal(cells.tags, model.decide(cells.scores))
    np.testing.assert_array_equal(cells.expected_f, expected_f(model.decision, cells.scores, cells.tags))
    np.testing.assert_allclose(cells.valid, [1, 0.75, 0.625, 0.75] * 2)
    assert cells.names == [f"r{row}_c{column}" for row in (0, 20) for column in (0, 20, 40, 60)]
    x, y = NORTH_UP.c + 3 * 20, NORTH_UP.f - 3 * 20
    assert cells.footprints[5].ring == ((x, y), (x, y - 60), (x + 60, y - 60), (x + 60, y), (x, y))


def test_without_overlap_the_scores_are_those_of_the_windows_to_the_bit(tmp_path, model):
    grid = lay_grid((80, 40), (40, 40))
    scores = np.random.default_rng(0).random((1, 17)).astype(np.float32)
    with open_scene(write_scene(tmp_path / "scene.tif", noise(40, 80))) as scene:
        cells = make_cells(scene, Windows(scene, grid, np.array([1])), scores, np.ones(1), model)
    assert cells.names == ["r0_c40"]
    np.testing.assert_array_equal(cells.scores, scores)

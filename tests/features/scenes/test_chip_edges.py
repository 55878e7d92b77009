"""Test edges and mosaics: against brute force, on chips of rendered scenes, and on chips without neighbours."""

import numpy as np
import pytest

from amazon_tags.datasets import sample
from features.scenes import chip_edges, mosaic
from features.scenes.chip_edges import Edges

SIDE = 64


def split(scene):
    """Return the chips (chips, side, side, 3) of a scene row by row, and the place of each."""
    places = [(row, column) for row in range(len(scene) // SIDE) for column in range(scene.shape[1] // SIDE)]
    chips = [scene[SIDE * row : SIDE * (row + 1), SIDE * column : SIDE * (column + 1)] for row, column in places]
    return np.stack(chips), places


def edges_of(chips):
    lines, rough = zip(*map(chip_edges.edges_of, chips), strict=True)
    return Edges(np.stack(lines, axis=1), np.stack(rough, axis=1))


@pytest.fixture(scope="module")
def scenes():
    """Return chips of two rendered scenes of 24 each, shuffled, and the place of each as scene, row, column."""
    scene_tags = (["clear", "primary", "agriculture", "road"], ["clear", "primary", "water", "habitation"])
    rendered = [sample.render(tags, seed=7 + number, side=6 * SIDE) for number, tags in enumerate(scene_tags)]
    parts = [split(scene[: 4 * SIDE]) for scene in rendered]
    places = [(number, *place) for number, (_, cells) in enumerate(parts) for place in cells]
    order = np.random.default_rng(0).permutation(len(places))
    return np.concatenate([chips for chips, _ in parts])[order], [places[row] for row in order]


@pytest.mark.parametrize("tile", [5, 16, 4096])
@pytest.mark.parametrize("side", [0, 1])
def test_nearest_edges_equal_brute_force(scenes, side, tile, monkeypatch):
    monkeypatch.setattr(chip_edges, "TILE_CHIPS", tile)
    monkeypatch.setattr(chip_edges, "MAX_DISTANCE_TO_ROUGHNESS", 1e6)  # no edges are too far apart
    edges = edges_of(scenes[0])
    mine, other = chip_edges.MEETING[side]
    ours, theirs = (edges.lines[edge].astype(np.float64) for edge in (mine, other))
    squares = ((ours[:, np.newaxis] - theirs) ** 2).mean(axis=2)
    rough = edges.rough[mine][:, np.newaxis] + edges.rough[other]
    expected = (squares + chip_edges.NOISE_VARIANCE) / np.sqrt(rough + chip_edges.NOISE_VARIANCE)
    np.fill_diagonal(expected, np.inf)
    for near, matrix in zip(chip_edges.nearest_edges(edges, side), (expected, expected.T), strict=True):
        np.testing.assert_array_equal(near.chip, matrix.argmin(axis=1))
        least = np.sort(matrix, axis=1)
        np.testing.assert_allclose(near.best, least[:, 0], rtol=0.01)
        np.testing.assert_allclose(near.second, least[:, 1], rtol=0.01)


def test_scenes_are_assembled_again_without_a_wrong_pair(scenes):
    chips, places = scenes
    layout = mosaic.assemble(edges_of(chips))
    index = {place: chip for chip, place in enumerate(places)}
    true = {
        (side, chip, index[scene, row + down, column + right])
        for (scene, row, column), chip in index.items()
        for side, (down, right) in enumerate(mosaic.STEPS)
        if (scene, row + down, column + right) in index
    }
    pairs = layout.pairs()
    assert pairs <= true
    assert len(pairs) >= 0.9 * len(true)


def test_chips_of_a_mosaic_keep_their_places_and_never_share_a_cell(scenes):
    chips, places = scenes
    layout = mosaic.assemble(edges_of(chips))
    cells = set(zip(layout.mosaic, layout.row, layout.column, strict=True))
    assert len(cells) == len(chips)
    for number in range(layout.mosaic.max() + 1):
        members = np.flatnonzero(layout.mosaic == number)
        origins = {
            (places[chip][0], places[chip][1] - layout.row[chip], places[chip][2] - layout.column[chip])
            for chip in members
        }
        assert len(origins) == 1
        assert (layout.row[members].min(), layout.column[members].min()) == (0, 0)
    sizes = np.bincount(layout.mosaic)
    assert (np.diff(sizes) <= 0).all()


def test_chips_of_different_places_are_not_joined():
    chips = [sample.render(["clear", "primary", "road"], seed=seed) for seed in range(30)]
    layout = mosaic.assemble(edges_of(chips))
    assert not layout.pairs()
    assert sorted(layout.mosaic) == list(range(30))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_flat_chips_are_not_joined(count):
    flat = np.full((count, SIDE, SIDE, 3), 255, np.uint8)
    assert not mosaic.assemble(edges_of(flat)).pairs()


def test_two_halves_are_joined_without_any_rival():
    scene = sample.render(["clear", "primary", "water"], seed=3, side=2 * SIDE)[:SIDE]
    assert mosaic.assemble(edges_of(split(scene)[0])).pairs() == {(0, 0, 1)}


def test_a_picture_shows_each_chip_in_its_cell():
    chips = [np.full((4, 4, 3), level, np.uint8) for level in (10, 20, 30)]
    rows, columns = np.array([0, 0, 1]), np.array([0, 1, 1])
    drawing = np.asarray(mosaic.picture(chips, rows, columns))
    assert drawing.shape == (8, 8, 3)
    assert drawing[::4, ::4, 0].tolist() == [[10, 20], [0, 30]]
    assert mosaic.scale(rows, columns, 256) == 256
    assert mosaic.scale(np.array([0]), np.array([99]), 256) == 40

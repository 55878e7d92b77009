"""Compare the edges of chips: neighbouring chips were separated without overlap, so their edges continue each other.

The distance of two edges is the L2 distance of their pixels, after smoothing out the sensor's noise along them. What
counts is how much nearer two edges are to each other than either is to any other edge, so one threshold suits forest
and cloud.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from features.arrays import Distances, EdgeLines, Positions, Rgb

RIGHT, LEFT, BOTTOM, TOP = range(4)
MEETING = ((RIGHT, LEFT), (BOTTOM, TOP))  # a chip's edge and its neighbour's: side by side, one above the other
SMOOTHING_PIXELS = 1.0  # along the edge; of 0 to 1.5, it finds most pairs among the scenes of tests/benchmarks/leaks.py
NOISE_VARIANCE = 1.0  # squared grey levels: how far rounding and compression move equal pixels apart
MAX_DISTANCE_TO_ROUGHNESS = 1.5  # of neighbours; in those scenes the largest ratio is 1.46
TILE_CHIPS = 4096  # chips whose edges are compared at once, with as many others

NearestArrays = tuple[Positions, Distances, Distances]  # the columns of `Nearest` while they are filled


@dataclass(frozen=True)
class Edges:
    """The four edges of each chip, in the order right, left, bottom, top.

    Attributes:
        lines: (4, chips, values): grey levels minus 128, in half precision.
        rough: (4, chips): the mean squared step from the outermost line of pixels to the next one inside.
    """

    lines: EdgeLines
    rough: Distances


@dataclass(frozen=True)
class Nearest:
    """For an edge of each chip, the chip whose edge fits best; all (chips,).

    Attributes:
        chip: The position of that chip, or -1.
        best: Its distance, as `evidence` compares distances.
        second: The distance of the next best.
    """

    chip: Positions
    best: Distances
    second: Distances


def edges_of(chip: Rgb) -> tuple[EdgeLines, Distances]:
    """Return lines (4, values) and roughness (4,) of a chip (side, side, 3), in the order right, left, bottom, top."""
    pixels = chip.astype(np.float32) - 128  # half precision and products lose less around 0
    outer = np.stack([pixels[:, -1], pixels[:, 0], pixels[-1], pixels[0]])
    inner = np.stack([pixels[:, -2], pixels[:, 1], pixels[-2], pixels[1]])
    lines, before = (gaussian_filter1d(side, SMOOTHING_PIXELS, axis=1, mode="nearest") for side in (outer, inner))
    rough = ((lines - before) ** 2).mean(axis=(1, 2))
    return lines.reshape(4, -1).astype(np.float16), rough.astype(np.float32)


def nearest_edges(edges: Edges, side: int) -> tuple[Nearest, Nearest]:
    """Return for every chip the best fit at its right (or below), and the best at its left (or above).

    All pairs are compared. Time grows with the square of the chips, memory does not: 100,000 chips are 10^10 pairs.

    Args:
        edges: Of all chips.
        side: 0 for neighbours side by side, 1 for one above the other.
    """
    mine, other = MEETING[side]
    count = edges.lines.shape[1]
    forward, backward = ((np.full(count, -1), *np.full((2, count), np.inf, np.float32)) for _ in range(2))

    for top in range(0, count, TILE_CHIPS):
        ours = slice(top, top + TILE_CHIPS)
        for left in range(0, count, TILE_CHIPS):
            theirs = slice(left, left + TILE_CHIPS)
            squares = _mean_squares(edges.lines[mine, ours], edges.lines[other, theirs])
            distances = _comparable(squares, edges.rough[mine, ours, np.newaxis] + edges.rough[other, theirs])
            if top == left:
                np.fill_diagonal(distances, np.inf)
            _keep_nearest(forward, ours, distances, left)
            _keep_nearest(backward, theirs, distances.T, top)
    return Nearest(*forward), Nearest(*backward)


def evidence(edges: Edges, nearest: tuple[Nearest, Nearest], side: int, ours: int, theirs: int) -> float:
    """Return the log of how much nearer two edges are than the nearest other fit of either; negative if one is nearer.

    One of the other fits is the second edge reversed: edges that show nothing fit that as well.

    Args:
        edges: Of all chips.
        nearest: Result of `nearest_edges` for this side.
        side: 0 if `theirs` is to be right of `ours`, 1 if below.
        ours: The position of a chip.
        theirs: The position of another one.
    """
    mine, other = MEETING[side]
    rough = float(edges.rough[mine, ours] + edges.rough[other, theirs])
    our_line, their_line = edges.lines[mine, [ours]], edges.lines[other, [theirs]]
    square = float(_mean_squares(our_line, their_line)[0, 0])
    limit = MAX_DISTANCE_TO_ROUGHNESS * (rough + NOISE_VARIANCE)
    if square > limit:
        return -np.inf

    reversed_line = their_line.reshape(-1, 3)[::-1].reshape(1, -1)
    rivals = [float(_mean_squares(our_line, reversed_line)[0, 0]), limit]  # among few chips there may be no others
    scale = float(np.sqrt(rough + NOISE_VARIANCE))
    forward, backward = nearest
    distances: list[Any] = [
        *((rival + NOISE_VARIANCE) / scale for rival in rivals),
        _nearest_except(forward, ours, theirs),
        _nearest_except(backward, theirs, ours),
    ]
    return float(np.log(min(distances) * scale / (square + NOISE_VARIANCE)))


def _nearest_except(nearest: Nearest, chip: int, neighbour: int) -> np.float32:
    """Return the distance of the best fit of a chip that is not this neighbour."""
    column = nearest.second if nearest.chip[chip] == neighbour else nearest.best
    distance: np.float32 = column[chip]
    return distance


def _mean_squares(ours: EdgeLines, theirs: EdgeLines) -> Distances:
    """Return the mean squared differences (ours, theirs) of all pairs of lines."""
    first, second = ours.astype(np.float32), theirs.astype(np.float32)
    squares = (first**2).sum(axis=1)[:, np.newaxis] + (second**2).sum(axis=1)
    means: Distances = np.maximum(squares - 2 * first @ second.T, 0) / first.shape[1]
    return means


def _comparable(squares: Distances, rough: Distances) -> Distances:
    """Return distances that can be compared; infinite where edges are too far apart for neighbours.

    They are divided by the root of the roughness. Otherwise a smooth edge, which is near to many, would fit them all.
    """
    distances: Distances = (squares + NOISE_VARIANCE) / np.sqrt(rough + NOISE_VARIANCE)
    return np.where(squares > MAX_DISTANCE_TO_ROUGHNESS * (rough + NOISE_VARIANCE), np.float32(np.inf), distances)


def _keep_nearest(nearest: NearestArrays, rows: slice, distances: Distances, first: int) -> None:
    """Update the two least distances of each row with those of a tile, whose columns begin with chip `first`."""
    chip, best, second = (column[rows] for column in nearest)  # views: they are written to
    index = np.arange(len(distances))
    place = distances.argmin(axis=1)
    least = distances[index, place]
    distances[index, place] = np.inf
    next_least = distances.min(axis=1)
    distances[index, place] = least

    is_nearer = least < best
    second[:] = np.where(is_nearer, np.minimum(best, next_least), np.minimum(second, least))
    chip[:] = np.where(is_nearer, place + first, chip)
    best[:] = np.minimum(best, least)

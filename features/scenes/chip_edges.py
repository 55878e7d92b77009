"""Edges of chips, and how well two of them fit: chips that lay side by side in a scene were cut without overlap.

Two edges are as far apart as their pixels are, in L2, once the sensor's noise is smoothed out along them. A fit is told
by how much nearer two edges lie than either lies to any other: no threshold has to suit forest and cloud alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float32]

RIGHT, LEFT, BOTTOM, TOP = range(4)
MEETING = ((RIGHT, LEFT), (BOTTOM, TOP))  # a chip's edge and its neighbour's: side by side, one above the other
SMOOTH = 1.0  # pixels along the edge; of 0 to 1.5, it finds most pairs among the scenes of tests/benchmarks/leaks.py
LEVEL = 1.0  # squared grey levels a value: what rounding and compression do to equal pixels
STEP = 1.5  # times their roughness: so far apart may neighbours be; all of those scenes' lie within 1.46
TILE = 4096  # chips whose edges are compared at a time, with as many others


@dataclass(frozen=True)
class Edges:
    """The four edges of each chip: `lines` (4, chips, values) in half precision, and how `rough` (4, chips) each is.

    Roughness is the squared step from the outermost line of pixels to the one inside of it, a value.
    """

    lines: NDArray[np.float16]
    rough: Floats


@dataclass(frozen=True)
class Nearest:
    """Of each chip's edge the chip whose edge fits best, the distance to it, and that to the one after it: (chips,)."""

    who: NDArray[np.int64]
    best: Floats
    second: Floats


def edges_of(chip: NDArray[np.uint8]) -> tuple[NDArray[np.float16], Floats]:
    """Lines (4, values) and roughness (4,) of a chip (side, side, 3), in the order right, left, bottom, top."""
    pixels = chip.astype(np.float32) - 128  # half precision and products lose less around 0
    outer = np.stack([pixels[:, -1], pixels[:, 0], pixels[-1], pixels[0]])
    inner = np.stack([pixels[:, -2], pixels[:, 1], pixels[-2], pixels[1]])
    lines, before = (gaussian_filter1d(side, SMOOTH, axis=1, mode="nearest") for side in (outer, inner))
    rough = ((lines - before) ** 2).mean(axis=(1, 2))
    return lines.reshape(4, -1).astype(np.float16), rough.astype(np.float32)


def nearest_edges(edges: Edges, side: int) -> tuple[Nearest, Nearest]:
    """For every chip, what fits best at its right (or below), and at its left (or above); all pairs are compared.

    The work grows with the square of the chips, the memory does not: 100,000 chips are 10^10 pairs.
    """
    mine, other = MEETING[side]
    count = edges.lines.shape[1]
    forward, backward = ((np.full(count, -1), *np.full((2, count), np.inf, np.float32)) for _ in range(2))
    for top in range(0, count, TILE):
        ours = slice(top, top + TILE)
        for left in range(0, count, TILE):
            theirs = slice(left, left + TILE)
            apart = _apart(edges.lines[mine, ours], edges.lines[other, theirs])
            found = _scaled(apart, edges.rough[mine, ours, np.newaxis] + edges.rough[other, theirs])
            if top == left:
                np.fill_diagonal(found, np.inf)
            _update(forward, ours, found, left)
            _update(backward, theirs, found.T, top)
    return Nearest(*forward), Nearest(*backward)


def evidence(edges: Edges, known: tuple[Nearest, Nearest], side: int, ours: int, theirs: int) -> float:
    """Log of how much nearer two edges lie than the nearest other fit of either; negative where that is nearer.

    One of these is the second edge turned end for end: edges that show nothing lie as near to that.

    Args:
        edges: of all chips.
        known: of `nearest` for this side.
        side: 0 if `theirs` is to lie right of `ours`, 1 if below.
        ours: a chip.
        theirs: another one.
    """
    mine, other = MEETING[side]
    rough = float(edges.rough[mine, ours] + edges.rough[other, theirs])
    line, fit = edges.lines[mine, [ours]], edges.lines[other, [theirs]]
    apart = float(_apart(line, fit)[0, 0])
    if apart > STEP * (rough + LEVEL):
        return -np.inf
    turned = fit.reshape(-1, 3)[::-1].reshape(1, -1)
    rivals = [float(_apart(line, turned)[0, 0]), STEP * (rough + LEVEL)]  # few chips have no others
    scale = float(np.sqrt(rough + LEVEL))
    distances = [
        *((rival + LEVEL) / scale for rival in rivals),
        *(
            near.second[chip] if near.who[chip] == taken else near.best[chip]
            for near, chip, taken in ((known[0], ours, theirs), (known[1], theirs, ours))
        ),
    ]
    return float(np.log(min(distances) * scale / (apart + LEVEL)))


def _apart(ours: NDArray[np.float16], theirs: NDArray[np.float16]) -> Floats:
    """Mean squared differences (ours, theirs) of all pairs of lines."""
    first, second = ours.astype(np.float32), theirs.astype(np.float32)
    squares = (first**2).sum(axis=1)[:, np.newaxis] + (second**2).sum(axis=1)
    apart: Floats = np.maximum(squares - 2 * first @ second.T, 0) / first.shape[1]
    return apart


def _scaled(apart: Floats, rough: Floats) -> Floats:
    """Distances that can be compared; infinite where edges are too far apart to be neighbours'.

    Dividing by the root of roughness keeps a smooth edge, which is near to many, from fitting them all.
    """
    distances: Floats = (apart + LEVEL) / np.sqrt(rough + LEVEL)
    return np.where(apart > STEP * (rough + LEVEL), np.float32(np.inf), distances)


def _update(known: tuple[NDArray[np.int64], Floats, Floats], rows: slice, found: Floats, first: int) -> None:
    """Takes the two least of each row of a tile, whose columns begin with chip `first`, into what is known."""
    who, best, second = (column[rows] for column in known)  # views: they are written to
    at = np.arange(len(found))
    place = found.argmin(axis=1)
    least = found[at, place]
    found[at, place] = np.inf
    after = found.min(axis=1)
    found[at, place] = least
    nearer = least < best
    second[:] = np.where(nearer, np.minimum(best, after), np.minimum(second, least))
    who[:] = np.where(nearer, place + first, who)
    best[:] = np.minimum(best, least)

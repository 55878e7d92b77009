"""Occlusion (Zeiler and Fergus 2014): how far a network's outputs drop while a patch hides a part of a chip."""

from collections.abc import Callable
from typing import Any

import numpy as np

from features.arrays import Chip, ChipBatch, Floats, NetworkOutput, Positions

CHIPS_PER_BATCH = 64  # hidden copies of a chip at once, 12 MB of 256 x 256 pixels


def occlusion_maps(chip: Chip, score: Callable[[ChipBatch], NetworkOutput], *, patch: int) -> Floats:
    """Return how far each score drops where a patch hides a chip, (labels, side, side).

    A patch in the chip's mean colour slides over the chip by half its side. A pixel's drop is the mean drop over all
    patches that cover it; a negative one means that the score rises.

    Args:
        chip: (side, side, bands).
        score: from chips to scores (chips, labels).
        patch: its side in pixels, at most that of the chip.
    """
    side = len(chip)
    starts = patch_starts(side, patch)
    colour = np.rint(chip.mean(axis=(0, 1))).astype(chip.dtype)
    corners = [(top, left) for top in starts for left in starts]
    whole = score(chip[np.newaxis])[0].astype(np.float64)

    drops, covers = np.zeros((len(whole), side, side)), np.zeros((side, side))
    for first in range(0, len(corners), CHIPS_PER_BATCH):
        part = corners[first : first + CHIPS_PER_BATCH]
        hidden: Any = np.repeat(chip[np.newaxis], len(part), axis=0)
        for number, (top, left) in enumerate(part):
            hidden[number, top : top + patch, left : left + patch] = colour
        for (top, left), scores in zip(part, score(hidden), strict=True):
            place = slice(top, top + patch), slice(left, left + patch)
            drops[(slice(None), *place)] += (whole - scores)[:, np.newaxis, np.newaxis]
            covers[place] += 1
    return drops / covers


def patch_starts(side: int, patch: int) -> Positions:
    """Return the first pixel of each patch along a side; the last patch ends with the chip.

    Example:
        >>> patch_starts(16, 4).tolist()
        [0, 2, 4, 6, 8, 10, 12]
    """
    starts = np.arange(0, side - patch + 1, stride(patch))
    return np.unique(np.append(starts, side - patch))


def stride(patch: int) -> int:
    """Return by how many pixels a patch slides: half its side."""
    return max(1, patch // 2)

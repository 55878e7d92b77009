"""The 8 dihedral views of a chip: four quarter turns, each as it is and mirrored."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]  # (..., side, side, bands)

VIEWS = 8


def view(chips: Pixels, number: int) -> Pixels:
    """View 0 is the chip itself; 1 to 3 are turned counter-clockwise; 4 to 7 are 0 to 3 mirrored left to right.

    Example:
        >>> view(np.array([[[1], [2]], [[3], [4]]], np.uint8), 4)[..., 0]
        array([[2, 1],
               [4, 3]], dtype=uint8)
    """
    turned: Pixels = np.rot90(chips, _checked(number) % 4, axes=(-3, -2))
    return (turned[..., ::-1, :] if number >= 4 else turned).copy()


def inverse(chips: Pixels, number: int) -> Pixels:
    """The chips that `view` of the same number turned into these."""
    upright: Pixels = chips[..., ::-1, :] if _checked(number) >= 4 else chips
    turned: Pixels = np.rot90(upright, -(number % 4), axes=(-3, -2))
    return turned.copy()


def _checked(number: int) -> int:
    if not 0 <= number < VIEWS:
        raise ValueError(f"got view {number}; the dihedral views are 0 to {VIEWS - 1}.")
    return number

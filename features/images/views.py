"""The 8 dihedral views of a chip: four quarter turns, each as it is and mirrored."""

import numpy as np

from features.arrays import Pixels

VIEWS = 8


def view(chips: Pixels, number: int) -> Pixels:
    """Return a view of one chip or a batch: (..., side, side, bands).

    View 0 is the chip itself; 1 to 3 are turned counter-clockwise; 4 to 7 are 0 to 3 mirrored left to right.

    Raises:
        ValueError: The number is not 0 to 7.

    Example:
        >>> view(np.array([[[1], [2]], [[3], [4]]], np.uint8), 4)[..., 0]
        array([[2, 1],
               [4, 3]], dtype=uint8)
    """
    if not 0 <= number < VIEWS:
        raise ValueError(f"got view {number}; the dihedral views are 0 to {VIEWS - 1}.")
    turned: Pixels = np.rot90(chips, number % 4, axes=(-3, -2))
    return (turned[..., ::-1, :] if number >= 4 else turned).copy()

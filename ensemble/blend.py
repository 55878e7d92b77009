"""Several members' scores made into one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]  # (chips, labels)


def mean(matrices: Sequence[Scores], weights: Sequence[float] | None = None) -> Scores:
    """The mean of score matrices, by `weights` (any scale, none negative) or equally.

    Example:
        >>> mean([np.float32([[0.0, 1.0]]), np.float32([[1.0, 1.0]])], weights=[3, 1])
        array([[0.25, 1.  ]], dtype=float32)
    """
    if not matrices:
        raise ValueError("0 score matrices have no mean; pass at least one.")
    shape = matrices[0].shape
    for place, matrix in enumerate(matrices):
        if matrix.shape != shape:
            raise ValueError(f"Score matrix {place} has shape {matrix.shape}, but the first has {shape}.")
    shares = np.ones(len(matrices)) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != (len(matrices),):
        raise ValueError(f"{len(matrices)} score matrices came with {shares.size} weights; pass one each.")
    if not np.isfinite(shares).all() or shares.min() < 0 or shares.sum() <= 0:
        raise ValueError(f"Weights {shares.tolist()} make no mean; none may be negative, and one must be positive.")
    total = np.zeros(shape)
    for matrix, share in zip(matrices, shares / shares.sum(), strict=True):
        total += share * matrix
    return total.astype(np.float32)

"""Locality of a layer: how large a part of the image a position depends on, and how well it keeps its own patch.

The effective receptive field is by Luo et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional
Neural Networks", section 3; the comparison of positions with patches is by Raghu et al. 2021, "Do Vision Transformers
See Like Convolutional Neural Networks?", section 5.
"""

from collections.abc import Sequence

import numpy as np

from ensemble.arrays import Floats, Vectors
from ensemble.representation.cka import MinibatchCka

LEAST_SHARE = 1 - 0.9545  # of the largest gradient: smaller ones are outside the field (two deviations of a Gaussian)


def effective_side(gradients: Floats) -> float:
    """Return the side of the square that is as large as the effective receptive field; 0 where there is no gradient.

    Args:
        gradients: (rows, columns) the mean absolute gradient of a position by each pixel.
    """
    largest = gradients.max()
    return float(np.sqrt(np.count_nonzero(gradients > LEAST_SHARE * largest))) if largest > 0 else 0.0


def position_similarities(vectors: Sequence[Vectors], patches: Sequence[Vectors]) -> Floats:
    """Return the debiased CKA (positions, positions) of the vectors at each position with the patch at each position.

    Args:
        vectors: of each position (chips, dim).
        patches: of each position (chips, numbers).
    """
    similarity = MinibatchCka()
    similarity.update(vectors, patches)
    return similarity.similarities()


def kept_share(similarities: Floats) -> float:
    """Return the share of other positions whose patch is less like a position's vector than its own patch is.

    It is 1 where each position is most like its own patch, and 0.5 where its own is like any other. A tie counts half.
    Positions without a figure are left out; NaN if no two have one.

    Example:
        >>> kept_share(np.array([[0.9, 0.1], [0.2, 0.8]])), kept_share(np.ones((2, 2)))
        (1.0, 0.5)
    """
    own = np.diag(similarities)[:, np.newaxis]
    known = ~np.isnan(own) & ~np.isnan(similarities) & ~np.eye(len(own), dtype=bool)
    wins = (own > similarities) + 0.5 * (own == similarities)
    return float(wins[known].mean()) if known.any() else np.nan

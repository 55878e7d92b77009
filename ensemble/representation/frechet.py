"""The Fréchet distance of two sets of vectors, by Gaussians that are fitted to them.

As in the Fréchet inception distance (Heusel et al. 2017), it is the squared distance of Dowson and Landau (1982):
|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with means m and covariances C.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Vectors

TILE_CHIPS = 4096  # whose vectors are converted to float64 at a time
MIN_CHIPS = 2  # of which a covariance can be estimated


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution of vectors: its mean (dim,) and covariance (dim, dim)."""

    mean: Floats
    covariance: Floats


def fit_gaussian(vectors: Vectors) -> Gaussian:
    """Return the sample mean and the unbiased covariance of vectors (chips, dim).

    Raises:
        ValueError: there are fewer than two chips.
    """
    if len(vectors) < MIN_CHIPS:
        raise ValueError(f"a covariance of {len(vectors)} chips cannot be estimated; at least {MIN_CHIPS} are needed.")
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
    for first in range(0, len(vectors), TILE_CHIPS):
        centred = vectors[first : first + TILE_CHIPS] - mean
        covariance += centred.T @ centred
    return Gaussian(mean, covariance / (len(vectors) - 1))


def frechet_distance(first: Gaussian, second: Gaussian) -> float:
    """Return the squared Fréchet distance of two Gaussians, at least 0.

    The trace of the root of C1 C2 is the sum of the singular values of C1^(1/2) C2^(1/2), also where a covariance is
    singular, as it is with fewer chips than dimensions.

    Example:
        >>> narrow = Gaussian(np.zeros(2), np.eye(2))
        >>> frechet_distance(narrow, Gaussian(np.array([3.0, 4.0]), 4 * np.eye(2)))
        27.0
    """
    common = np.linalg.svd(_root(first.covariance) @ _root(second.covariance), compute_uv=False).sum()
    shift = ((first.mean - second.mean) ** 2).sum()
    spread = np.trace(first.covariance) + np.trace(second.covariance) - 2 * common
    return float(max(shift + spread, 0.0))


def _root(covariance: Floats) -> Floats:
    """Return the symmetric root of a covariance, whose small negative eigenvalues are rounding."""
    values, directions = np.linalg.eigh(covariance)
    root: Floats = (directions * np.sqrt(np.maximum(values, 0))) @ directions.T
    return root

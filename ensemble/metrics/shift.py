"""Distances between two samples of chips: of their tag rates, and of their vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Tags

PERMUTATIONS = 200  # of the two-sample test: the least p-value is 1 / 201
MIN_SPREAD_SHARE = 1e-6  # of the largest variance; directions that vary less would make every chip far
MAX_NEIGHBOURS = 2000  # members that distances are measured to; all pairs of them take 0.1 s
MAX_TESTED_CHIPS = 1000  # chips of one sample in the two-sample test, which compares all pairs


def stability_index(expected: Tags, observed: Tags) -> Floats:
    """Return the population stability index of each label's rate, (labels,), between two samples (chips, labels).

    The sum over tagged and untagged of (p - q) ln(p / q) (Siddiqi 2006, chapter 6), which is Jeffreys' divergence.
    Half a chip is added to every count, so that a rate of 0 does not weigh infinitely. By convention, an index under
    0.1 means stable and one over 0.25 means shifted.

    Example:
        >>> tagged = np.arange(100)[:, np.newaxis] < [30, 50]
        >>> stability_index(tagged, np.arange(100)[:, np.newaxis] < [30, 80]).round(2)
        array([0.  , 0.41])
    """
    first, second = ((tags.sum(axis=0) + 0.5) / (len(tags) + 1) for tags in (expected, observed))
    odds = np.log(first / (1 - first)) - np.log(second / (1 - second))
    index: Floats = (first - second) * odds
    return index


def discrepancy(first: Floats, second: Floats, *, seed: int = 0) -> tuple[float, float]:
    """Return the maximum mean discrepancy of two samples of vectors and its p-value by permutation.

    The biased estimate of Gretton et al. 2012, equation 5, with a Gaussian kernel whose width is the median distance;
    each column is scaled by its standard deviation over both samples. Of a larger sample, `MAX_TESTED_CHIPS` random
    chips are tested.

    Args:
        first: (chips, dim).
        second: (chips, dim).
        seed: seed of the random chips and permutations.

    Returns:
        The discrepancy, 0 for equal samples and at most the square root of 2, and the p-value.
    """
    rng = np.random.default_rng(seed)
    first, second = (rng.permutation(sample)[:MAX_TESTED_CHIPS].astype(np.float64) for sample in (first, second))
    both = np.concatenate([first, second])
    spread = both.std(axis=0)
    both = (both - both.mean(axis=0)) / np.where(spread > 0, spread, 1)

    distances = _squared_distances(both, both)
    width = np.median(distances[np.triu_indices(len(both), 1)])
    kernel = np.exp(-distances / (width if width > 0 else 1))

    sides = np.where(np.arange(len(both)) < len(first), 1 / len(first), -1 / len(second))
    squared_discrepancy = float(sides @ kernel @ sides)
    permuted_sides = np.stack([rng.permutation(sides) for _ in range(PERMUTATIONS)])
    permuted = np.einsum("di,di->d", permuted_sides @ kernel, permuted_sides)
    p_value = float((1 + (permuted >= squared_discrepancy).sum()) / (PERMUTATIONS + 1))
    return max(squared_discrepancy, 0.0) ** 0.5, p_value


@dataclass(frozen=True)
class Neighbourhood:
    """A sample of vectors, scaled so that their covariance is the identity, and how far apart its members are.

    Attributes:
        mean: (dim,) of the sample.
        scaling: (dim, dim) maps differences from the mean to scaled vectors.
        scaled: (chips, dim) members of the sample, at most `MAX_NEIGHBOURS`.
        limit: the largest squared distance of a member to its nearest other member.
    """

    mean: Floats
    scaling: Floats
    scaled: Floats
    limit: float

    def far(self, vectors: Floats) -> NDArray[np.bool_]:
        """Return which vectors (chips, dim) are farther from the sample than any of its members is from the others."""
        scaled = (vectors - self.mean) @ self.scaling
        far: NDArray[np.bool_] = _squared_distances(scaled, self.scaled).min(axis=1) > self.limit
        return far


def neighbourhood(sample: Floats) -> Neighbourhood:
    """Return the neighbourhood of at least two vectors (chips, dim).

    Distances are Mahalanobis distances to the nearest neighbour. The largest one inside the sample is the limit, so a
    chip like those of the sample is beyond it with a probability of about one in the number of chips. Of a larger
    sample, members at equal steps stand for all.
    """
    mean = sample.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(sample, rowvar=False))
    floor = max(MIN_SPREAD_SHARE * variances[-1], np.finfo(float).tiny)
    scaling = directions / np.sqrt(np.maximum(variances, floor))

    scaled = ((sample - mean) @ scaling)[:: -(-len(sample) // MAX_NEIGHBOURS)]
    distances = _squared_distances(scaled, scaled)
    np.fill_diagonal(distances, np.inf)
    return Neighbourhood(mean, scaling, scaled, float(distances.min(axis=1).max()))


def _squared_distances(first: Floats, second: Floats) -> Floats:
    """Return the squared distance of each pair of vectors, (chips of first, chips of second)."""
    squares = (first**2).sum(axis=1)[:, np.newaxis] + (second**2).sum(axis=1)
    distances: Floats = np.maximum(squares - 2 * first @ second.T, 0)
    return distances

"""How far two samples lie apart: of tag rates, of one number a chip, and of vectors."""

import numpy as np
from numpy.typing import NDArray

Rates = NDArray[np.float64]  # (labels,)
Vectors = NDArray[np.float64]  # (chips, dim)

DRAWS = 200  # permutations of a two-sample test: the least p-value is 1 / 201
MAX_TESTED_CHIPS = 1000  # chips of a sample that the test looks at; it compares all pairs


def stability_index(expected: NDArray[np.bool_], given: NDArray[np.bool_]) -> Rates:
    """Population stability index of each label's rate, (labels,), between two (chips, labels).

    The sum over tagged and untagged of (p - q) ln(p / q) (Siddiqi 2006, chapter 6), which is Jeffreys' divergence.
    Half a chip is added to every count, so that a rate of 0 does not weigh infinitely. Under 0.1 is called stable,
    over 0.25 shifted.

    Example:
        >>> tagged = np.arange(100)[:, np.newaxis] < [30, 50]
        >>> stability_index(tagged, np.arange(100)[:, np.newaxis] < [30, 80]).round(2)
        array([0.  , 0.41])
    """
    first, second = ((tags.sum(axis=0) + 0.5) / (len(tags) + 1) for tags in (expected, given))
    odds = np.log(first / (1 - first)) - np.log(second / (1 - second))
    index: Rates = (first - second) * odds
    return index


def discrepancy(first: Vectors, second: Vectors, *, seed: int = 0) -> tuple[float, float]:
    """Maximum mean discrepancy of two samples of vectors and its p-value by permutation.

    The biased estimate of Gretton et al. 2012, equation 5, with a Gaussian kernel whose width is the median distance;
    each column is scaled by its spread over both. Of larger samples `MOST` chips are drawn.

    Args:
        first: (chips, dim).
        second: (chips, dim).
        seed: of the draws.

    Returns:
        The discrepancy, 0 for equal samples and at most the square root of 2, and the p-value.
    """
    rng = np.random.default_rng(seed)
    first, second = (rng.permutation(sample)[:MAX_TESTED_CHIPS].astype(np.float64) for sample in (first, second))
    both = np.concatenate([first, second])
    spread = both.std(axis=0)
    both = (both - both.mean(axis=0)) / np.where(spread > 0, spread, 1)
    squares = (both**2).sum(axis=1)
    distances = np.maximum(squares[:, np.newaxis] + squares - 2 * both @ both.T, 0)
    width = np.median(distances[np.triu_indices(len(both), 1)])
    kernel = np.exp(-distances / (width if width > 0 else 1))
    sides = np.where(np.arange(len(both)) < len(first), 1 / len(first), -1 / len(second))
    found = float(sides @ kernel @ sides)
    signs = np.stack([rng.permutation(sides) for _ in range(DRAWS)])
    drawn = np.einsum("di,di->d", signs @ kernel, signs)
    return max(found, 0.0) ** 0.5, float((1 + (drawn >= found).sum()) / (DRAWS + 1))

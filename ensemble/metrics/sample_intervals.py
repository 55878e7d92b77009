"""95 % intervals for all chips of a folder from a random sample of them."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ensemble.arrays import Counts, Floats, Rows

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean over all chips of the folder, as the sample has it.

    Attributes:
        mean: the estimate.
        interval: that contains the folder's mean with a probability of about `LEVEL`.
        deviation: standard deviation of the values within strata, of which the width depends.
    """

    mean: float
    interval: Interval
    deviation: float


def share(hits: int, count: int, whole: int | None = None) -> Interval:
    """Return the exact interval of a share, of which `hits` of `count` drawn chips have what is counted.

    Clopper and Pearson 1934, by the binomial distribution or, where the number of chips that `count` were drawn from is
    known (`whole`), by the hypergeometric one: it is a point where all were drawn. It is (0, 1) where none was drawn.
    """
    if whole is None:
        return _share_of_mean(hits / count, count) if count else (0.0, 1.0)
    if not whole:
        return 0.0, 1.0
    possible = range(hits, whole - (count - hits) + 1)  # chips of the whole that have it; both tails rise with them
    few = bisect_right(possible, TAIL, key=lambda having: stats.hypergeom.sf(hits - 1, whole, having, count))
    many = bisect_left(possible, -TAIL, key=lambda having: -stats.hypergeom.cdf(hits, whole, having, count))
    return possible[few] / whole, possible[many - 1] / whole


def stratified_mean(values: Floats, strata: Rows, sizes: Counts) -> Estimate:
    """Estimate the folder's mean of values from 0 to 1, such as F2.

    Cochran 1977, chapter 5: the strata's means, weighted by their sizes, with the finite population
    correction and Satterthwaite's degrees of freedom. The interval is symmetric in log odds, which keeps it within 0
    and 1 and covers better where most values are 1. Where no value differs from its stratum's mean, it is the interval
    of a share, which is wider than that of any values from 0 to 1 with this mean; where all chips were drawn, a point.

    Args:
        values: (chips,) of the sample.
        strata: (chips,) of the sample, from 0; at least two chips of each.
        sizes: (strata,) chips of the folder.
    """
    mean, error, degrees, deviation = _moments(values, strata, sizes)
    if len(values) == sizes.sum():
        return Estimate(mean, (mean, mean), deviation)
    if error == 0:
        return Estimate(mean, _share_of_mean(mean, len(values)), deviation)
    reach = stats.t.ppf(1 - TAIL, degrees) * error / (mean * (1 - mean))
    odds = np.log(mean / (1 - mean))
    low, high = 1 / (1 + np.exp(-(odds - reach))), 1 / (1 + np.exp(-(odds + reach)))
    return Estimate(mean, (float(low), float(high)), deviation)


def stratified_difference(differences: Floats, strata: Rows, sizes: Counts) -> Estimate:
    """Estimate the folder's mean of differences, such as those of two decisions' F2, with Student's interval.

    The arguments are those of `stratified_mean`.
    """
    mean, error, degrees, deviation = _moments(differences, strata, sizes)
    reach = float(stats.t.ppf(1 - TAIL, degrees)) * error
    return Estimate(mean, (mean - reach, mean + reach), deviation)


def chips_for_mean(deviation: float, width: float, folder: int) -> int:
    """Return about how many chips of a folder a mean needs, so that its interval is as narrow as `width`.

    Cochran 1977, chapter 4, with the deviation within strata.
    """
    unlimited = (2 * stats.norm.ppf(1 - TAIL) * deviation / width) ** 2
    return int(np.ceil(unlimited / (1 + unlimited / folder)))


def count_for_share(share_found: float, width: float) -> int:
    """Return about how many chips an exact interval of a share needs, so that it is as narrow as `width`."""
    low, high = 0, 1
    while not _is_narrow(share_found, high, width):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_narrow(share_found, middle, width) else (middle, high)
    return high


def _is_narrow(share_found: float, count: int, width: float) -> bool:
    low, high = _share_of_mean(share_found, count)
    return high - low <= width


def _share_of_mean(mean: float, count: int) -> Interval:
    """Return the interval of Clopper and Pearson, also where the hits `mean * count` are no whole number."""
    hits = mean * count
    low = stats.beta.ppf(TAIL, hits, count - hits + 1) if hits > 0 else 0.0
    high = stats.beta.ppf(1 - TAIL, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def _moments(values: Floats, strata: Rows, sizes: Counts) -> tuple[float, float, float, float]:
    """Return the mean, its standard error, the degrees of freedom, and the deviation within strata."""
    drawn = np.bincount(strata, minlength=len(sizes))
    if drawn.min() < 2:
        raise ValueError(f"a stratum has {drawn.min()} chips of the sample, but its variance needs two.")
    weights = sizes / sizes.sum()
    means = np.bincount(strata, values) / drawn
    variances = np.bincount(strata, np.square(values - means[strata])) / (drawn - 1)
    parts = np.square(weights) * variances / drawn * (1 - drawn / sizes)
    total = float(parts.sum())
    degrees = total**2 / float((np.square(parts) / (drawn - 1)).sum()) if total else 1.0
    return float(weights @ means), total**0.5, degrees, float(weights @ variances) ** 0.5

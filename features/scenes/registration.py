"""Find the shift between two pictures of one place, or that they show different places, by their correlation."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter

from features.arrays import Floats

# Pixels: details between these sizes are compared. Clouds and haze are larger, noise is smaller.
FINE_PIXELS, COARSE_PIXELS = 1.0, 4.0


@dataclass(frozen=True)
class Match:
    """The shift at which two pictures correlate best.

    Of the competition's pairs, those of one place have a correlation of 0.94 or more, others at most 0.18.

    Attributes:
        right: A point of the second picture lies this many pixels further to the right in the first.
        down: And this many pixels further down.
        correlation: At this shift, -1 to 1.
    """

    right: int
    down: int
    correlation: float


def match(first: Floats, second: Floats, far: int = 96) -> Match:
    """Return the shift at which two grey pictures of one size (H, W) correlate best.

    It is Pearson's correlation over the overlap, after a band-pass filter, for all shifts at once by Fourier transform
    (Padfield 2012, equation 9).

    Args:
        first: (H, W).
        second: (H, W).
        far: The longest shift along each axis, in pixels; at most half of the picture.

    Raises:
        ValueError: The sizes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"pictures of {first.shape} and {second.shape} cannot be matched; give them one size.")
    height, width = first.shape
    far = min(far, height // 2, width // 2)
    padded = (next_fast_len(height + far, real=True), next_fast_len(width + far, real=True))

    ours, theirs = (_details(picture) for picture in (first, second))
    ones = np.ones_like(ours)
    one, mine, mine2, other, other2 = (rfft2(picture, padded) for picture in (ones, ours, ours**2, theirs, theirs**2))

    def sums_of_products(left: Floats, right: Floats) -> Floats:
        """Return the sum over the overlap at every shift, (2 * far + 1, 2 * far + 1)."""
        sums = np.roll(irfft2(left * np.conj(right), padded), (far, far), (0, 1))[: 2 * far + 1, : 2 * far + 1]
        return np.asarray(sums, np.float64)

    count = np.maximum(np.rint(sums_of_products(one, one)), 1)
    our_sum, their_sum = sums_of_products(mine, one), sums_of_products(one, other)
    covariance = sums_of_products(mine, other) - our_sum * their_sum / count
    our_variance = np.maximum(sums_of_products(mine2, one) - our_sum**2 / count, 0)
    their_variance = np.maximum(sums_of_products(one, other2) - their_sum**2 / count, 0)

    spread = our_variance * their_variance
    limit = 1e-12 * max(float(spread.max()), 1e-12)
    correlations = np.where(spread > limit, covariance / np.sqrt(np.maximum(spread, limit)), 0)
    down, right = np.unravel_index(int(correlations.argmax()), correlations.shape)
    return Match(int(right) - far, int(down) - far, float(correlations[down, right]))


def overlap(first: NDArray[np.generic], second: NDArray[np.generic], shift: Match) -> tuple[Floats, Floats]:
    """Return the part that both pictures (H, W, bands) show, pixel by pixel, with the second moved by the shift."""

    def crop(picture: NDArray[np.generic], sign: int) -> Floats:
        height, width = picture.shape[:2]
        down, right = sign * shift.down, sign * shift.right
        part = picture[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
        return part.astype(np.float64)

    return crop(first, 1), crop(second, -1)


def band_order(colours: Floats, bands: Floats) -> tuple[int, ...]:
    """Return, for each of the `colours` (H, W, colours), which of the `bands` (H, W, bands) shows it, by correlation.

    Colours correlate with each other, so the best assignment of all colours is chosen, not the best band for each.
    """
    ours, theirs = (np.log1p(np.maximum(part, 0)).reshape(-1, part.shape[2]).T for part in (colours, bands))
    similarity = np.corrcoef(ours, theirs)[: len(ours), len(ours) :] ** 2
    orders = permutations(range(len(theirs)), len(ours))
    return max(orders, key=lambda order: float(sum(similarity[colour, band] for colour, band in enumerate(order))))


def _details(picture: Floats) -> Floats:
    filtered: Floats = gaussian_filter(picture, FINE_PIXELS) - gaussian_filter(picture, COARSE_PIXELS)
    return filtered

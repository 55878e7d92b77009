"""Find near-duplicates by perceptual hash: chips with the same pixels except for compression, size or brightness.

The hash is pHash (Zauner 2010, section 3.2.1): for the lowest frequencies of a cosine transform, whether each is above
their median. Chips of similar hashes are then compared as thumbnails, because two hazy chips may have the same hash by
chance.
"""

import numpy as np
from PIL import Image
from scipy.fft import dctn

from features.arrays import Positions, Rgb, Thumbnail, Thumbnails

SIDE_PIXELS = 32  # of a thumbnail
FREQUENCIES = 8  # along each axis; the lowest is the brightness and is left out, so a hash has 63 bits
MAX_DIFFERENT_BITS = 8  # 99 % of copies of the real chips in quality 50 or at half the size stay within
MIN_CORRELATION = 0.9  # of thumbnails
MIN_CONTRAST = 1.0  # grey levels of standard deviation; a flatter thumbnail has nothing to compare
TILE_CHIPS = 4096  # hashes compared at once, with as many others


def thumbnail(chip: Rgb) -> Thumbnail:
    """Return a chip (H, W, 3) in grey, (32, 32)."""
    grey = Image.fromarray(chip).convert("L").resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.float32)


def fingerprint(picture: Thumbnail) -> np.uint64:
    """Return the hash of a thumbnail, 63 bits; those of similar thumbnails differ in few bits."""
    lowest = dctn(picture, norm="ortho")[:FREQUENCIES, :FREQUENCIES].ravel()[1:]
    bits = np.append(lowest > np.median(lowest), False)
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes()))


def find_pairs(pictures: Thumbnails) -> Positions:
    """Return the pairs (pairs, 2) of near-duplicates among thumbnails (chips, 32, 32), the lower position first.

    All pairs of hashes are compared: time grows with the square of the chips, memory does not.
    """
    flat = pictures.reshape(len(pictures), -1)
    unit = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(unit, axis=1)
    is_plain = length < MIN_CONTRAST * SIDE_PIXELS
    unit /= np.maximum(length, 1e-6)[:, np.newaxis]
    hashes = np.array([fingerprint(picture) for picture in pictures], np.uint64)

    pairs = [np.empty((0, 2), np.int64)]
    for top in range(0, len(hashes), TILE_CHIPS):
        for left in range(top, len(hashes), TILE_CHIPS):
            differing = np.bitwise_count(hashes[top : top + TILE_CHIPS, np.newaxis] ^ hashes[left : left + TILE_CHIPS])
            first, second = np.nonzero(differing <= MAX_DIFFERENT_BITS)
            near = np.stack([first + top, second + left], axis=1)
            near = near[(near[:, 0] < near[:, 1]) & ~is_plain[near].any(axis=1)]
            correlations = np.einsum("pd,pd->p", unit[near[:, 0]], unit[near[:, 1]])
            pairs.append(near[correlations >= MIN_CORRELATION])
    return np.concatenate(pairs)

"""Near-duplicates: chips that show the same pixels but for compression, size or brightness, found by perceptual hash.

The hash is pHash (Zauner 2010, section 3.2.1): the signs, about their median, of the lowest frequencies of a cosine
transform. What it brings together is then compared as small pictures, for two hazy chips may share a hash by chance.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

Floats = NDArray[np.float32]

SIDE = 32  # of the small picture
LOW = 8  # frequencies along each axis; the first of all is brightness and is left out: 63 bits
BITS = 8  # that may differ; of the real chips' copies in quality 50 or half the size 99 % stay within
ALIKE = 0.9  # correlation of the small pictures
CONTRAST = 1.0  # grey levels of deviation, below which a picture shows nothing that could be compared
TILE = 4096  # hashes compared at a time, with as many others


def thumbnail(chip: NDArray[np.uint8]) -> Floats:
    """A chip (H, W, 3) in grey, (32, 32)."""
    grey = Image.fromarray(chip).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.float32)


def fingerprint(picture: Floats) -> np.uint64:
    """Its hash of 63 bits; pictures that look alike differ in few of them."""
    lowest = dctn(picture, norm="ortho")[:LOW, :LOW].ravel()[1:]
    bits = np.append(lowest > np.median(lowest), False)
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes()))


def find_pairs(pictures: Floats) -> NDArray[np.int64]:
    """Pairs (pairs, 2) of near-duplicates among small pictures (chips, 32, 32), the first before the second."""
    flat = pictures.reshape(len(pictures), -1)
    unit = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(unit, axis=1)
    plain = length < CONTRAST * SIDE
    unit /= np.maximum(length, 1e-6)[:, np.newaxis]
    hashes = np.array([fingerprint(picture) for picture in pictures], np.uint64)
    found = [np.empty((0, 2), np.int64)]
    for top in range(0, len(hashes), TILE):
        for left in range(top, len(hashes), TILE):
            apart = np.bitwise_count(hashes[top : top + TILE, np.newaxis] ^ hashes[left : left + TILE])
            first, second = np.nonzero(apart <= BITS)
            near = np.stack([first + top, second + left], axis=1)
            near = near[(near[:, 0] < near[:, 1]) & ~plain[near].any(axis=1)]
            alike = np.einsum("pd,pd->p", unit[near[:, 0]], unit[near[:, 1]])
            found.append(near[alike >= ALIKE])
    return np.concatenate(found)

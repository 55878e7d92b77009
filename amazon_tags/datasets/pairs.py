"""What `amazon_tags pairs` does: says of each JPG and TIF of one name whether they show one place.

In the competition they often do not: some TIFs lie dozens of pixels aside, and those of its test set had other names.
"""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from amazon_tags import progress
from features.images import chips, listing, sensor_colours
from features.images.chips import ChipError
from features.images.listing import ChipPath
from features.scenes import registration

COLUMNS = ("image_name", "verdict", "right", "down", "correlation", "bands")
ALIKE = 0.5  # correlation; features/registration.py says what real pairs reach, and what chance does
STILL = 2  # pixels that count as no shift


@dataclass(frozen=True)
class Pair:
    """A JPG and a TIF of one name: `right` and `down` are pixels that the TIF must be moved to lie on the JPG.

    `verdict` is aligned, shifted or elsewhere. `bands` says what the TIF's bands are, in its order; where it shows
    another place nobody can tell, and it is empty.
    """

    name: str
    verdict: str
    right: int
    down: int
    correlation: float
    bands: tuple[str, ...]


def compare_pairs(jpgs: Sequence[Path], tifs: Sequence[Path], *, jobs: int = 1) -> list[Pair]:
    """Every name that stands on both sides, in natural order.

    Raises:
        ValueError: no name does, or a chip cannot be used.
    """
    theirs = {listing.name(path): path for path in listing.chips(tifs)}
    both = [(path, theirs[listing.name(path)]) for path in listing.chips(jpgs) if listing.name(path) in theirs]
    if not both:
        raise ValueError(
            f"no chip of {jpgs[0]} has the name of one of {tifs[0]}; a JPG and a TIF of one chip have one name."
        )
    found = []
    with ThreadPoolExecutor(jobs) as pool, progress.bar("comparing", len(both)) as advance:
        for pair in pool.map(_compare, *zip(*both, strict=True)):
            found.append(pair)
            advance(1)
    return found


def pairs_text(found: Sequence[Pair]) -> str:
    """How many pairs got each verdict, and bands in another order than the competition's."""
    counts = {name: sum(pair.verdict == name for pair in found) for name in ("aligned", "shifted", "elsewhere")}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    other = [pair.name for pair in found if pair.bands not in ((), sensor_colours.BANDS)]
    if other:
        told += f"; {len(other)} with bands in another order than {', '.join(sensor_colours.BANDS)} (first: {other[0]})"
    return f"{len(found)} pairs: {told}"


def write_pairs(stream: TextIO, found: Sequence[Pair]) -> None:
    """The table, a row a pair."""
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for pair in found:
        bands = " ".join(pair.bands)
        table.writerow([pair.name, pair.verdict, pair.right, pair.down, f"{pair.correlation:.3f}", bands])


def _compare(jpg: ChipPath, tif: ChipPath) -> Pair:
    shown, measured = chips.read(jpg), chips.read(tif)
    if shown.shape[:2] != measured.shape[:2] or shown.shape[2] != 3 or measured.shape[2] != len(sensor_colours.BANDS):
        raise ChipError(
            f"{tif} is {measured.shape} and {jpg} {shown.shape}; a pair is (H, W, 4) and (H, W, 3) of one size."
        )
    levels = np.log1p(measured.astype(np.float64))  # the sensor's range is wide
    greys = [
        np.delete(levels, band, axis=2).mean(axis=2) for band in range(len(sensor_colours.BANDS))
    ]  # one is no colour
    match = max((registration.match(shown.mean(axis=2), grey) for grey in greys), key=lambda found: found.correlation)
    if match.correlation < ALIKE:
        return Pair(listing.name(jpg), "elsewhere", 0, 0, match.correlation, ())
    order = registration.band_order(*registration.overlap(shown, measured, match))
    bands = ["nir"] * len(sensor_colours.BANDS)
    for colour, band in zip(chips.RGB, order, strict=True):
        bands[band] = colour
    still = max(abs(match.right), abs(match.down)) <= STILL
    verdict = "aligned" if still else "shifted"
    return Pair(listing.name(jpg), verdict, match.right, match.down, match.correlation, tuple(bands))

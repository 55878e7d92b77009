"""Compare the JPG and the TIF of each chip: do they show the same place, and in which order are the bands?

In the competition they often do not: some TIFs are shifted by dozens of pixels, and those of the test set were
published under other names.
"""

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from features.images import chips, listing, sensor_colours
from features.images.bands import name_bands
from features.images.chips import ChipError
from features.images.listing import ChipPath
from features.images.spec import ChipSpec
from features.images.stored import RGB, StoredImage
from features.scenes import registration

COLUMNS = ("image_name", "verdict", "right", "down", "correlation", "bands")
SENSOR = ChipSpec(sensor_colours.BANDS, "uint16")
MIN_CORRELATION = 0.5  # of one place; features/scenes/registration.py gives those of real and of random pairs
MAX_ALIGNED_SHIFT = 2  # pixels; a larger shift is reported as such


@dataclass(frozen=True)
class Pair:
    """A JPG and a TIF of the same name.

    Attributes:
        name: of the chip.
        verdict: `aligned`, `shifted` or, if the two show different places, `elsewhere`.
        right: pixels by which the TIF must be moved to the right to match the JPG.
        down: pixels by which the TIF must be moved down.
        correlation: of the two after the shift.
        bands: names of the TIF's bands, in its order, as measured; empty if the verdict is `elsewhere`.
        expected: the names by which other commands read the TIF: those that it states, else the competition's.
    """

    name: str
    verdict: str
    right: int
    down: int
    correlation: float
    bands: tuple[str, ...]
    expected: tuple[str, ...] = sensor_colours.BANDS


def compare_pairs(jpgs: Sequence[Path], tifs: Sequence[Path], *, jobs: int = 1) -> list[Pair]:
    """Compare the chips that are on both sides, in natural order of their names.

    Raises:
        ValueError: no chip is on both sides, or a chip cannot be used.
    """
    tif_by_name = {listing.name(path): path for path in list_chips(tifs)}
    jpg_by_name = {listing.name(path): path for path in list_chips(jpgs)}
    both = [(path, tif_by_name[name]) for name, path in jpg_by_name.items() if name in tif_by_name]
    if not both:
        raise ValueError(
            f"no chip of {jpgs[0]} has the same name as one of {tifs[0]}; a JPG and a TIF are a pair if their names "
            "are the same."
        )

    pairs = []
    with ThreadPoolExecutor(jobs) as pool, progress.bar("comparing", len(both)) as advance:
        for pair in pool.map(_compare, *zip(*both, strict=True)):
            pairs.append(pair)
            advance(1)
    return pairs


def pairs_text(pairs: Sequence[Pair]) -> str:
    """Return a summary in one line: how many pairs have each verdict, and how many an unusual order of bands."""
    counts = {name: sum(pair.verdict == name for pair in pairs) for name in ("aligned", "shifted", "elsewhere")}
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    unusual = [pair for pair in pairs if pair.bands not in ((), pair.expected)]
    if unusual:
        order = ", ".join(unusual[0].expected)
        text += f"; {len(unusual)} with bands in another order than {order} (first: {unusual[0].name})"
    return f"{len(pairs)} pairs: {text}"


def write_pairs(stream: TextIO, pairs: Sequence[Pair]) -> None:
    """Write a table with a row for each pair."""
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for pair in pairs:
        bands = " ".join(pair.bands)
        table.writerow([pair.name, pair.verdict, pair.right, pair.down, f"{pair.correlation:.3f}", bands])


def _compare(jpg: ChipPath, tif: ChipPath) -> Pair:
    """Find the shift of a TIF by its correlation with the JPG, then the order of its bands."""
    colours, image = chips.read(jpg), _sensor_image(tif)
    sensor = image.pixels
    bands_count = len(sensor_colours.BANDS)
    if colours.shape[:2] != sensor.shape[:2] or colours.shape[2] != 3 or sensor.shape[2] != bands_count:
        raise ChipError(
            f"{tif} is {sensor.shape} and {jpg} is {colours.shape}; a pair is (H, W, 4) and (H, W, 3) of the same size."
        )

    levels = np.log1p(sensor.astype(np.float64))  # the sensor's range is wide
    # One of the bands is near infrared, which no JPG shows: try the mean of all but each.
    greys = [np.delete(levels, band, axis=2).mean(axis=2) for band in range(bands_count)]
    matches = (registration.match(colours.mean(axis=2), grey) for grey in greys)
    match = max(matches, key=lambda match: match.correlation)
    if match.correlation < MIN_CORRELATION:
        return Pair(listing.name(jpg), "elsewhere", 0, 0, match.correlation, (), image.bands)

    order = registration.band_order(*registration.overlap(colours, sensor, match))
    bands = ["nir"] * bands_count
    for colour, band in zip(RGB, order, strict=True):
        bands[band] = colour
    verdict = "aligned" if max(abs(match.right), abs(match.down)) <= MAX_ALIGNED_SHIFT else "shifted"
    return Pair(listing.name(jpg), verdict, match.right, match.down, match.correlation, tuple(bands), image.bands)


def _sensor_image(tif: ChipPath) -> StoredImage:
    """Return a TIF with named bands; raise ChipError if it states others than those of the sensor."""
    image = chips.read_image(tif)
    if image.pixels.shape[2] != len(sensor_colours.BANDS):
        return image
    try:
        return name_bands(image, SENSOR)[0]
    except ValueError as error:
        raise ChipError(f"{tif} {error}") from error

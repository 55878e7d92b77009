"""Find percentiles of the values of whole scenes, a part at a time: a histogram a band is all that stays in memory."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterPart

from features.images.bands import name_bands
from features.images.chips import ChipError
from features.images.layout import Ranges
from features.images.spec import ChipSpec
from features.scenes.scene import Scene

PART_PIXELS = 1024  # a side of what a thread reads at a time
SHIFT = 12  # bits of a float's fraction that bins leave out; 11 remain, so that values are exact to 0.05 %
BINS = {"uint16": 1 << 16, "float32": 1 << (32 - SHIFT)}  # of integers each level has one
SIGN = np.uint32(1 << 31)

Counts = NDArray[np.int64]  # (bands, bins)


def count_parts(scene: Scene) -> int:
    """Return how many parts of a scene are read."""
    return sum(1 for _ in _parts(scene))


def band_ranges(
    scenes: Sequence[tuple[Scene, ChipSpec]],
    percents: tuple[float, float],
    *,
    jobs: int = 1,
    advance: Callable[[int], object] = lambda _: None,
) -> Ranges:
    """Return the values of two percentiles of each band of the specs, over all pixels of all scenes that hold data.

    A percentile is the lowest value that this share of the pixels does not exceed. Pixels that are 0 in all bands do
    not count, as no data is often stored so.

    Args:
        scenes: Scenes of one type of values with the chips that are made of them.
        percents: From 0 to 100, the lower one first.
        jobs: Threads.
        advance: Called with 1 for each part that was read.

    Raises:
        ChipError: A scene is damaged, of 8 bits, or has other bands than the spec; or no pixel holds data.
        ValueError: The scenes differ in their types, or a band has one value in nearly all pixels.
    """
    types = {scene.dtype for scene, _ in scenes}
    if "uint8" in types:
        raise ChipError(f"{scenes[0][0]} holds colours of 8 bits, which are read as they are; leave out --levels.")
    if len(types) > 1:
        raise ValueError(f"the scenes are of {' and '.join(sorted(types))}, which have no percentiles in common.")

    kind = types.pop()
    counts: Counts = np.zeros((len(scenes[0][1].bands), BINS[kind]), np.int64)
    lock = Lock()

    def add(task: tuple[Scene, ChipSpec, RasterPart]) -> None:
        bins = _bins(*task)
        fresh = [np.bincount(band, minlength=BINS[kind]) for band in bins]
        with lock:
            for band, amounts in enumerate(fresh):
                counts[band] += amounts

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for _ in pool.map(add, ((scene, spec, part) for scene, spec in scenes for part in _parts(scene))):
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)

    if not counts.any():
        raise ChipError(f"{scenes[0][0]} holds no data, or 0 alone; pass a scene with data.")
    ranges = tuple(_range(band, percents, kind) for band in counts)
    for name, (low, high) in zip(scenes[0][1].bands, ranges, strict=True):
        if low >= high:
            raise ValueError(
                f"both percentiles of {name} of {scenes[0][0]} are {low:g}, as most of its pixels have this value; "
                "state values by --levels, such as 300:2800."
            )
    return ranges


def _parts(scene: Scene) -> Iterator[RasterPart]:
    for top in range(0, scene.height, PART_PIXELS):
        for left in range(0, scene.width, PART_PIXELS):
            yield RasterPart(left, top, min(PART_PIXELS, scene.width - left), min(PART_PIXELS, scene.height - top))


def _bins(scene: Scene, spec: ChipSpec, part: RasterPart) -> list[NDArray[Any]]:
    """Return the bins of the pixels of a part that hold data, for each band of the spec (pixels,)."""
    try:
        image, _ = name_bands(scene.read_inside(part), spec)
    except ValueError as error:
        raise ChipError(f"{scene} {error}") from error
    pixels = image.pixels[..., [image.bands.index(name) for name in spec.bands]]
    filled = (pixels != 0).any(axis=2)
    if image.valid is not None:
        filled &= image.valid
    values = pixels[filled].T
    if values.dtype != np.float32:
        return list(values)
    bits = np.ascontiguousarray(values).view(np.uint32)
    return list(np.where(bits & SIGN, ~bits, bits | SIGN) >> SHIFT)  # in the order of the values


def _range(counts: NDArray[np.int64], percents: tuple[float, float], kind: str) -> tuple[float, float]:
    """Return the values of two percentiles of a histogram."""
    summed = np.cumsum(counts)
    ranks = [max(1, int(np.ceil(percent / 100 * summed[-1]))) for percent in percents]
    low, high = (_value(int(np.searchsorted(summed, rank)), kind) for rank in ranks)
    return low, high


def _value(place: int, kind: str) -> float:
    """Return the lowest value of a bin."""
    if kind != "float32":
        return float(place)
    ordered = np.uint32(place << SHIFT)
    bits = ordered ^ SIGN if ordered & SIGN else ~ordered
    return float(np.array([bits], np.uint32).view(np.float32)[0])

"""Neighbours and copies found among chips of which it is known.

Run as `python -m tests.benchmarks.leaks`, with AMAZON_TAGS_DATA naming the folder of real chips.

Neighbours: chips cut from the two Planet scenes, on which the constants of `features/edges.py` were chosen, cut also at
other places, saved again as JPG, and among 702 chips of elsewhere; and from a Sentinel-2 scene, on which nothing was
chosen. Copies: 300 of the 702 saved again.
"""

import io
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from features.images import chips, listing
from features.images.chips import ChipSpec
from features.scenes import chip_edges, duplicates, mosaic
from features.scenes.chip_edges import Edges

Pixels = NDArray[np.uint8]
Place = tuple[int, int, int]  # scene, row, column

SENTINEL = ("sentinel2_b04.tif", "sentinel2_b03.tif", "sentinel2_b02.tif")
COPIES = {
    "quality 50": lambda image: _saved(image, 50),
    "half the size": lambda image: _saved(image.resize((image.width // 2, image.height // 2)), 85),
    "15 % brighter": lambda image: _saved(ImageEnhance.Brightness(image).enhance(1.15), 90),
}


def _saved(image: Image.Image, quality: int) -> Pixels:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def _cut(scenes: list[Pixels], side: int, start: tuple[int, int]) -> dict[Place, Pixels]:
    found = {}
    for number, scene in enumerate(scenes):
        part = scene[start[0] :, start[1] :]
        for row in range(part.shape[0] // side):
            for column in range(part.shape[1] // side):
                chip = part[side * row : side * (row + 1), side * column : side * (column + 1)]
                if chip.any():  # outside of a satellite's strip there is nothing
                    found[number, row, column] = chip
    return found


def _judged(cut: dict[Place, Pixels], others: list[Pixels]) -> tuple[int, int, int, float]:
    """True pairs, pairs found that touch a cut chip, those that are right, and seconds."""
    index = {place: chip for chip, place in enumerate(cut)}
    true = {
        (side, chip, index[scene, row + down, column + right])
        for (scene, row, column), chip in index.items()
        for side, (down, right) in enumerate(mosaic.STEPS)
        if (scene, row + down, column + right) in index
    }
    start = time.perf_counter()
    lines, rough = zip(*map(chip_edges.edges_of, [*cut.values(), *others]), strict=True)
    layout = mosaic.assemble(Edges(np.stack(lines, axis=1), np.stack(rough, axis=1)))
    found = {pair for pair in layout.pairs() if min(pair[1:]) < len(cut)}
    return len(true), len(found), len(found & true), time.perf_counter() - start


def main() -> None:
    """Print both tables."""
    root = Path(os.environ["AMAZON_TAGS_DATA"])
    planet = [
        np.asarray(Image.open(root / "scenes" / name).convert("RGB"))
        for name in ("culltivation2.jpg", "full-slashburn.jpg")
    ]
    Image.MAX_IMAGE_PIXELS = None
    sentinel = [np.stack([np.asarray(Image.open(root / "scenes" / name)) for name in SENTINEL], axis=2)]
    spec = ChipSpec()
    elsewhere = [chips.load(path, spec).astype(np.uint8) for path in listing.chips([root / "planet" / "train-jpg"])]
    print(
        "| chips | of 256 pixels | true pairs | found | precision | recall | seconds |\n|---|---|---|---|---|---|---|"
    )
    for title, scenes, start, quality, others in (
        ("two Planet scenes", planet, (0, 0), 0, []),
        ("cut 77 and 101 pixels on", planet, (77, 101), 0, []),
        ("saved as JPG of quality 75", planet, (0, 0), 75, []),
        ("among 702 chips of elsewhere", planet, (0, 0), 0, elsewhere),
        ("a Sentinel-2 scene", sentinel, (0, 0), 0, []),
    ):
        cut = _cut(scenes, 256, start)
        if quality:
            cut = {place: _saved(Image.fromarray(chip), quality) for place, chip in cut.items()}
        true, found, right, seconds = _judged(cut, others)
        total = len(cut) + len(others)
        print(f"| {title} | {total} | {true} | {found} | {right / found:.4f} | {right / true:.4f} | {seconds:.1f} |")
    print("\n| 300 chips saved again | copies found | false pairs among 1,002 |\n|---|---|---|")
    for title, change in COPIES.items():
        again = [change(Image.fromarray(chip)) for chip in elsewhere[:300]]
        pairs = duplicates.find_pairs(np.stack([duplicates.thumbnail(chip) for chip in (*elsewhere, *again)]))
        right = sum(second - first == len(elsewhere) for first, second in pairs.tolist())
        print(f"| {title} | {right / 300:.1%} | {len(pairs) - right} |")


if __name__ == "__main__":
    main()

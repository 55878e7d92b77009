"""Measure how many neighbours and copies `amazon_tags leaks` finds among chips whose neighbours are known.

    python -m tests.benchmarks.leaks

AMAZON_TAGS_DATA names the folder of real chips. Neighbours: chips of the two Planet scenes on which the constants of
`features/scenes/chip_edges.py` were chosen, divided also at other places, saved again as JPG, and mixed with chips of
other places; and chips of a Sentinel-2 scene, on which nothing was chosen. Copies: 300 competition chips saved again.
"""

import argparse
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from features.images import chips, listing
from features.images.spec import ChipSpec
from features.scenes import chip_edges, duplicates, mosaic
from features.scenes.chip_edges import Edges
from tests.benchmarks import tables

Pixels = NDArray[np.uint8]  # (rows, columns, 3)
Place = tuple[int, int, int]  # scene, row, column

SIDE = 256  # pixels of a chip
COPIED_CHIPS = 300
PLANET_SCENES = ("culltivation2.jpg", "full-slashburn.jpg")
SENTINEL_BANDS = ("sentinel2_b04.tif", "sentinel2_b03.tif", "sentinel2_b02.tif")


def save_again(image: Image.Image, quality: int) -> Pixels:
    """Return an image as it is after being saved as a JPG of this quality."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def halve(image: Image.Image) -> Image.Image:
    """Return an image at half its side."""
    return image.resize((image.width // 2, image.height // 2))


def brighten(image: Image.Image) -> Image.Image:
    """Return an image 15 % brighter."""
    return ImageEnhance.Brightness(image).enhance(1.15)


COPIES: dict[str, Callable[[Image.Image], Pixels]] = {
    "quality 50": lambda image: save_again(image, 50),
    "half the size": lambda image: save_again(halve(image), 85),
    "15 % brighter": lambda image: save_again(brighten(image), 90),
}


def divide(scenes: Sequence[Pixels], start: tuple[int, int]) -> dict[Place, Pixels]:
    """Divide scenes into chips, from a start (row, column) in pixels."""
    result = {}
    for number, scene in enumerate(scenes):
        part = scene[start[0] :, start[1] :]
        for row in range(part.shape[0] // SIDE):
            for column in range(part.shape[1] // SIDE):
                chip = part[SIDE * row : SIDE * (row + 1), SIDE * column : SIDE * (column + 1)]
                if chip.any():  # all black: outside the satellite's swath
                    result[number, row, column] = chip
    return result


def neighbour_row(title: str, divided: Mapping[Place, Pixels], others: Sequence[Pixels]) -> str:
    """Return a row: true neighbours, neighbours found that touch a chip of the scenes, precision, recall, seconds."""
    index = {place: chip for chip, place in enumerate(divided)}
    true = {
        (side, chip, index[scene, row + down, column + right])
        for (scene, row, column), chip in index.items()
        for side, (down, right) in enumerate(mosaic.STEPS)
        if (scene, row + down, column + right) in index
    }

    start = time.perf_counter()
    lines, rough = zip(*map(chip_edges.edges_of, [*divided.values(), *others]), strict=True)
    layout = mosaic.assemble(Edges(np.stack(lines, axis=1), np.stack(rough, axis=1)))
    matches = {pair for pair in layout.pairs() if min(pair[1:]) < len(divided)}
    seconds = time.perf_counter() - start

    right_count = len(matches & true)
    return (
        f"| {title} | {len(divided) + len(others):,} | {len(true)} | {len(matches)} | {right_count / len(matches):.4f} "
        f"| {right_count / len(true):.4f} | {seconds:.1f} |"
    )


def measure_neighbours(planet: list[Pixels], sentinel: list[Pixels], elsewhere: list[Pixels]) -> None:
    """Print the table of neighbours."""
    print("| chips | number | true neighbours | found | precision | recall | seconds |\n|---|---|---|---|---|---|---|")
    aligned = divide(planet, (0, 0))
    as_jpg = {place: save_again(Image.fromarray(chip), 75) for place, chip in aligned.items()}
    nothing: list[Pixels] = []
    for title, divided, others in (
        ("two Planet scenes", aligned, nothing),
        ("divided 77 rows and 101 columns further", divide(planet, (77, 101)), nothing),
        ("saved as JPG of quality 75", as_jpg, nothing),
        (f"among {len(elsewhere)} chips of other places", aligned, elsewhere),
        ("a Sentinel-2 scene", divide(sentinel, (0, 0)), nothing),
    ):
        print(neighbour_row(title, divided, others), flush=True)


def measure_copies(originals: list[Pixels]) -> None:
    """Print the table of copies."""
    total = len(originals) + COPIED_CHIPS
    print(f"\n| {COPIED_CHIPS} chips saved again | copies found | false pairs among {total:,} |\n|---|---|---|")
    for title, change in COPIES.items():
        copies = [change(Image.fromarray(chip)) for chip in originals[:COPIED_CHIPS]]
        thumbnails = np.stack([duplicates.thumbnail(chip) for chip in (*originals, *copies)])
        pairs = duplicates.find_pairs(thumbnails)
        right_count = sum(second - first == len(originals) for first, second in pairs.tolist())
        print(f"| {title} | {right_count / COPIED_CHIPS:.1%} | {len(pairs) - right_count} |", flush=True)


def main() -> None:
    """Measure and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables.add_options(parser)
    options = parser.parse_args()

    root = Path(os.environ["AMAZON_TAGS_DATA"])
    Image.MAX_IMAGE_PIXELS = None  # the scenes are larger than Pillow's limit
    planet = [np.asarray(Image.open(root / "scenes" / name).convert("RGB")) for name in PLANET_SCENES]
    sentinel = [np.stack([np.asarray(Image.open(root / "scenes" / name)) for name in SENTINEL_BANDS], axis=2)]
    spec = ChipSpec(side=SIDE)
    elsewhere = [chips.load(path, spec).astype(np.uint8) for path in listing.chips([root / "planet" / "train-jpg"])]

    data = f"{len(elsewhere)} competition chips, two Planet scenes, one Sentinel-2 scene; all {SIDE} x {SIDE}"
    with tables.recorded(options, script="leaks", data=data):
        measure_neighbours(planet, sentinel, elsewhere)
        measure_copies(elsewhere)


if __name__ == "__main__":
    main()

"""A tiny rendered world in the competition's folders."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile

from amazon_tags.datasets import sample, sample_competition
from amazon_tags.tables import labels
from features.images import sensor_colours

SIDE = 64
TRAIN, TEST, TIFS = 48, 10, 12
NEVER, ONCE = "conventional_mine", "blow_down"  # what a fold must survive: no chip, and a single one


@dataclass(frozen=True)
class World:
    """Where everything is."""

    train_jpg: Path
    train_tif: Path
    labels: Path
    test_jpg: Path
    sample: Path


def build(root: Path) -> World:
    """Render the world into a folder."""
    world = World(
        root / "train-jpg",
        root / "train-tif-v2",
        root / "train_v2.csv",
        root / "test-jpg",
        root / "sample_submission_v2.csv",
    )
    for folder in (world.train_jpg, world.train_tif, world.test_jpg):
        folder.mkdir()
    rows = []
    for number in range(TRAIN):
        shown = tags(number)
        pixels = sample.render(shown, seed=number, side=SIDE)
        (world.train_jpg / f"train_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
        if number < TIFS:
            (world.train_tif / f"train_{number}.tif").write_bytes(four_bands(pixels))
        rows.append((f"train_{number}", " ".join(shown)))
    for number in range(TEST):
        pixels = sample.render(tags(number + 100), seed=number + 100, side=SIDE)
        (world.test_jpg / f"test_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
    _write(world.labels, rows)
    shuffled = np.random.default_rng(0).permutation(TEST)
    _write(world.sample, [(f"test_{number}", "primary clear agriculture road water") for number in shuffled])
    return world


def four_bands(pixels: np.ndarray, infrared: np.ndarray | None = None) -> bytes:
    """A TIF like the competition's: blue, green, red, near infrared of uint16 in one strip, without a place."""
    numbers = np.arange(65536)
    blue, green, red = (np.interp(pixels[..., colour], visual_curve(colour), numbers) for colour in (2, 1, 0))
    bands = np.stack([blue, green, red, 2 * green if infrared is None else infrared]).astype(np.uint16)
    with MemoryFile() as memory:
        layout = {"count": 4, "width": SIDE, "height": SIDE, "dtype": "uint16", "blockysize": SIDE}
        somewhere = rasterio.Affine(2, 0, 0, 0, 2, 0)  # or rasterio warns
        with rasterio.Env(), memory.open(driver="GTiff", transform=somewhere, **layout) as raster:
            raster.write(bands)
        return bytes(memory.read())


def visual_curve(colour: int) -> np.ndarray:
    """The grey level of each digital number, for red (0), green (1), blue (2)."""
    numbers = np.arange(65536, dtype=np.uint16)
    return sensor_colours.colours(np.repeat(numbers[:, None, None], 4, axis=2))[:, 0, colour].astype(float)


def tags(number: int) -> list[str]:
    """What chip `number` shows; over all of them, every label but two at least twice."""
    land = [name for name in sample.LAND if name not in (NEVER, ONCE)]
    weather = list(sample.WEATHER)[number % 4]
    if weather == "cloudy":
        return [weather]
    chosen = {weather, "primary", land[number % len(land)], land[(number // 3) % len(land)]}
    if number == 0:
        chosen.add(ONCE)
    return [name for name in labels.PLANET.names if name in chosen]


def _write(path: Path, rows: list[tuple[str, str]]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("image_name", "tags"))
    writer.writerows(rows)
    path.write_text(table.getvalue())

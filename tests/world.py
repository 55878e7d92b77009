"""A tiny rendered data set in the competition's layout, on which every command runs in seconds."""

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
NEVER, ONCE = "conventional_mine", "blow_down"  # labels with no chip and with one chip, which folds must survive


@dataclass(frozen=True)
class World:
    """The paths of its folders and tables."""

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
        names = tags(number)
        pixels = sample.render(names, seed=number, side=SIDE)
        (world.train_jpg / f"train_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
        if number < TIFS:
            (world.train_tif / f"train_{number}.tif").write_bytes(four_bands(pixels))
        rows.append((f"train_{number}", " ".join(names)))
    for number in range(TEST):
        pixels = sample.render(tags(number + 100), seed=number + 100, side=SIDE)
        (world.test_jpg / f"test_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
    _write(world.labels, rows)
    shuffled = np.random.default_rng(0).permutation(TEST)
    _write(world.sample, [(f"test_{number}", "primary clear agriculture road water") for number in shuffled])
    return world


def four_bands(pixels: np.ndarray, infrared: np.ndarray | None = None) -> bytes:
    """Return a TIF like the competition's: uint16 blue, green, red, near infrared in one strip, not georeferenced."""
    numbers = np.arange(65536)
    blue, green, red = (np.interp(pixels[..., colour], visual_curve(colour), numbers) for colour in (2, 1, 0))
    bands = np.stack([blue, green, red, 2 * green if infrared is None else infrared]).astype(np.uint16)
    with MemoryFile() as memory:
        layout = {"count": 4, "width": SIDE, "height": SIDE, "dtype": "uint16", "blockysize": SIDE}
        transform = rasterio.Affine(2, 0, 0, 0, 2, 0)  # without one, rasterio warns
        with rasterio.Env(), memory.open(driver="GTiff", transform=transform, **layout) as raster:
            raster.write(bands)
        return bytes(memory.read())


def visual_curve(colour: int) -> np.ndarray:
    """Return the grey level of each digital number, for red (0), green (1) or blue (2)."""
    numbers = np.arange(65536, dtype=np.uint16)
    return sensor_colours.colours(np.repeat(numbers[:, None, None], 4, axis=2))[:, 0, colour].astype(float)


def tags(number: int) -> list[str]:
    """Return the tags of chip `number`; over all chips, every label but NEVER and ONCE occurs at least twice."""
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

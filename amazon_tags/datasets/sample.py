"""Render sample chips, for trying the program without data. They are not satellite images, and say so."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from amazon_tags.datasets.painters import PAINTERS, Random, forest, pasture
from amazon_tags.datasets.sample_bands import reflectance_tif
from amazon_tags.files import atomic, folders
from amazon_tags.tables import labels

NOTE = "Rendered by amazon_tags sample: no satellite image."
JPG_QUALITY = 95  # of 100
SEEDS_PER_SAMPLE = 1_000_003  # more than a sample has chips, so that samples of two seeds share no chip

# Share of the competition's 40,479 chips that have a tag; shares of rare tags are raised, so that 12 chips show some.
WEATHER = {"clear": 0.70, "partly_cloudy": 0.18, "haze": 0.07, "cloudy": 0.05}
LAND = {
    "agriculture": 0.30,
    "road": 0.20,
    "water": 0.18,
    "cultivation": 0.11,
    "habitation": 0.09,
    "bare_ground": 0.05,
    "selective_logging": 0.04,
    "artisinal_mine": 0.04,
    "blooming": 0.04,
    "slash_burn": 0.04,
    "conventional_mine": 0.03,
    "blow_down": 0.03,
}


def draw_tags(rng: Random) -> list[str]:
    """Draw the tags of a chip, in the order of Planet's labels: one weather tag, and cloudy alone."""
    weather = str(rng.choice(list(WEATHER), p=list(WEATHER.values())))
    if weather == "cloudy":
        return [weather]
    land = [name for name, share in LAND.items() if rng.random() < share]
    forest = ["primary"] if not land or rng.random() < 0.95 else []
    chosen = {weather, *land, *forest}
    return [name for name in labels.PLANET.names if name in chosen]


def render(tags: Iterable[str], *, seed: int, side: int = 256) -> NDArray[np.uint8]:
    """Return a chip (side, side, 3) that shows the tags; the same seed gives the same chip.

    Raises:
        ValueError: a tag is not one of Planet's labels.
    """
    chosen = set(tags)
    labels.encode(labels.PLANET, chosen)
    rng = np.random.default_rng(seed)
    canvas = forest(rng, side) if "primary" in chosen or "cloudy" in chosen else pasture(rng, side)
    for name, paint in PAINTERS.items():
        if name in chosen:
            canvas = paint(canvas, rng)
    canvas += rng.normal(0, 1.5, canvas.shape)
    return _write_rendered(np.clip(np.rint(canvas), 0, 255).astype(np.uint8))


def write(folder: Path, count: int, *, seed: int = 0, bands: int = 3) -> None:
    """Write chips sample_0.jpg, sample_1.jpg and so on, their tags in labels.csv, and a README.txt.

    With other bands than three, a number of `sample_bands.BAND_SETS`, they are GeoTIFFs.

    Raises:
        FileExistsError: the folder exists and is not empty.
    """
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("image_name", "tags"))
    with folders.filled_folder(folder) as part:
        for number in range(count):
            tags = draw_tags(np.random.default_rng([seed, number]))
            pixels = render(tags, seed=seed * SEEDS_PER_SAMPLE + number)
            if bands == 3:
                image = Image.fromarray(pixels)
                image.save(part / f"sample_{number}.jpg", quality=JPG_QUALITY, comment=NOTE)
            else:
                atomic.write_bytes(part / f"sample_{number}.tif", reflectance_tif(pixels, bands, NOTE))
            rows.writerow((f"sample_{number}", " ".join(tags)))
        atomic.write_text(part / "labels.csv", table.getvalue())
        atomic.write_text(part / "README.txt", f"{NOTE}\nlabels.csv has the tags that each chip shows.\n")


def _write_rendered(chip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the chip with the word RENDERED in its lower left corner."""
    image = Image.fromarray(chip)
    font = ImageFont.load_default(9)
    ImageDraw.Draw(image).text((3, len(chip) - 12), "RENDERED", "white", font, stroke_width=1, stroke_fill="black")
    return np.array(image)

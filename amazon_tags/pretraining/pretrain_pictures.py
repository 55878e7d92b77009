"""Pictures of what a network has learnt so far: nearest neighbours (SimCLR, BYOL) or filled-in chips (FCMAE)."""

import io
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from features.arrays import Rgb
from features.images import chips
from features.images.visible import visible
from features.networks.image_scales import DEVIATION, MEAN
from features.pretraining.batches import PretrainSource
from features.pretraining.masked import draw_mask
from features.pretraining.settings import PATCH, PretrainSettings

SAMPLED_CHIPS = 256  # among which neighbours are found
QUERIES, NEIGHBOURS = 6, 6
FILLED_CHIPS = 6
TILE_PIXELS, GAP_PIXELS, TEXT_PIXELS = 128, 6, 18
INK = (20, 20, 20)


def picture_name(settings: PretrainSettings) -> str:
    """Return the name of the picture's file."""
    return "reconstruction.png" if settings.method == "fcmae" else "neighbours.png"


def draw_progress(model: keras.Model, settings: PretrainSettings, source: PretrainSource) -> bytes:
    """Return a PNG for the method's model; the chips are the same whenever it is drawn."""
    rng = np.random.default_rng(settings.seed)
    count = FILLED_CHIPS if settings.method == "fcmae" else SAMPLED_CHIPS
    rows = rng.permutation(len(source.paths))[:count]
    pixels: NDArray[Any] = np.stack([chips.resize(source.load(int(row)), source.spec.side) for row in rows])
    pictures = [visible(chip, source.spec) for chip in pixels]
    if settings.method == "fcmae":
        masks = np.stack([draw_mask(rng, source.spec.side // PATCH) for _ in rows])
        return _draw_filled(model, pixels, masks)
    return _draw_neighbours(model, pixels, pictures, settings.batch)


def _draw_neighbours(model: keras.Model, pixels: NDArray[Any], pictures: Sequence[Rgb], batch: int) -> bytes:
    """Return a table of pictures: in each row a chip and those with the nearest vectors, with their cosines."""
    parts = [pixels[first : first + batch] for first in range(0, len(pixels), batch)]
    vectors = np.concatenate([ops.convert_to_numpy(model.encoder(part, training=False)) for part in parts])
    vectors = vectors.astype(np.float64)
    vectors -= vectors.mean(axis=0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    tiles = []
    for row in range(min(QUERIES, len(pixels))):
        cosines = vectors @ vectors[row]
        cosines[row] = np.inf
        order = np.argsort(-cosines, kind="stable")[: NEIGHBOURS + 1]
        names = ["chip", *(f"{cosines[place]:.2f}" for place in order[1:])]
        tiles.append([(pictures[place], name) for place, name in zip(order, names, strict=True)])
    return _draw_table(
        "Chips and those with the nearest vectors, each with its cosine after the mean is taken off", tiles
    )


def _draw_filled(model: keras.Model, pixels: NDArray[Any], masks: NDArray[np.float32]) -> bytes:
    """Return a table of pictures: in each row a chip, what the network sees of it, and what it makes of that."""
    both = [ops.convert_to_numpy(value) for value in model.fill_in(pixels, masks)]
    colours, filled = (
        np.clip(np.rint((images[..., :3] * DEVIATION + MEAN) * 255), 0, 255).astype(np.uint8) for images in both
    )
    places = np.repeat(np.repeat(masks, PATCH, axis=1), PATCH, axis=2)[..., np.newaxis]
    seen = np.where(places == 1, colours, np.uint8(128)).astype(np.uint8)
    tiles = [
        [(colours[row], "chip"), (seen[row], "what is visible"), (filled[row], "filled in")]
        for row in range(len(pixels))
    ]
    return _draw_table("Masked patches, filled in with the true mean and contrast of each", tiles)


def _draw_table(title: str, tiles: Sequence[Sequence[tuple[Rgb, str]]]) -> bytes:
    """Return a PNG of rows of pictures with a line of text below each."""
    step, height = TILE_PIXELS + GAP_PIXELS, TILE_PIXELS + TEXT_PIXELS + GAP_PIXELS
    font = ImageFont.load_default(13)
    width = max(GAP_PIXELS + step * max(map(len, tiles)), round(font.getlength(title)) + 2 * GAP_PIXELS)
    sheet = Image.new("RGB", (width, 24 + height * len(tiles)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP_PIXELS, 4), title, INK, font=font)
    for row, entries in enumerate(tiles):
        for column, (picture, text) in enumerate(entries):
            left, top = GAP_PIXELS + column * step, 24 + row * height
            tile = Image.fromarray(picture).resize((TILE_PIXELS, TILE_PIXELS), Image.Resampling.BILINEAR)
            sheet.paste(tile, (left, top))
            draw.text((left, top + TILE_PIXELS + 1), text, INK, font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()

"""Draw the README's picture: twelve rendered chips with the tags and the scores of the bundled model.

    python -m tests.benchmarks.picture .assets/tags.png

Each chip is rendered to show chosen tags. Below it are the tags that `amazon_tags predict` gives, the highest score
first; a tag that the chip was not rendered to show is grey. Rendered tags that the model misses are listed last.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont
from PIL.ImageFont import ImageFont as BitmapFont

from amazon_tags.datasets import sample
from amazon_tags.model import bundle
from amazon_tags.prediction.predict import find_chips, predict_chips

CHIPS = [  # tags to show, seed of the rendering
    ("clear conventional_mine primary", 1),
    ("clear primary water", 2),
    ("clear agriculture habitation primary road", 3),
    ("haze primary water", 4),
    ("clear agriculture cultivation primary", 5),
    ("partly_cloudy primary road", 6),
    ("artisinal_mine clear primary water", 7),
    ("clear primary selective_logging", 8),
    ("cloudy", 9),
    ("bare_ground clear primary road", 10),
    ("agriculture clear primary slash_burn", 11),
    ("blooming clear primary", 12),
]
COLUMNS, SIDE, GAP = 4, 256, 18  # chips in a row, pixels of a chip's side, pixels between chips
LINE_HEIGHT = 20  # pixels of a line of text
BAR_WIDTH, BAR_HEIGHT = 72, 8  # pixels of a score of 1
SCORE_WIDTH = 40  # pixels, right of the bar
INK, GREY, BAR, TRACK = "#1b1f24", "#7b828b", "#2e7d4f", "#e6e9ec"
MAX_COLOURS = 256  # a palette makes the file a third as large
LEGEND = (
    "Below each chip: the tags that the bundled model gives, and their scores. Grey: a tag that was not rendered.",
    "The model was trained on real chips; on rendered ones it is less sure and finds tags that are not there.",
)


@dataclass(frozen=True)
class TaggedChip:
    """A rendered chip and what the model says of it."""

    image: Image.Image
    tags: list[tuple[str, float]]  # the model's tags and their scores, the highest first
    rendered: set[str]  # the tags that the chip was rendered to show

    @property
    def missed(self) -> list[str]:
        """The rendered tags that the model does not give."""
        return sorted(self.rendered - {name for name, _ in self.tags})

    @property
    def height(self) -> int:
        """Pixels that the chip and the text below it take."""
        return SIDE + 8 + LINE_HEIGHT * (len(self.tags) + bool(self.missed))


def tag_chips() -> list[TaggedChip]:
    """Render the chips and tag them with the bundled model."""
    model = bundle.load(bundle.DEFAULT)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"chip_{number}.jpg") for number in range(len(CHIPS))]
        for file, (tags, seed) in zip(files, CHIPS, strict=True):
            image = Image.fromarray(sample.render(tags.split(), seed=seed, side=SIDE))
            image.save(file, quality=sample.JPG_QUALITY)
        parts = list(predict_chips(find_chips(files), model))
        images = [Image.open(file).copy() for file in files]

    result = []
    rows = [row for part in parts for row in zip(part.scores, part.tags, strict=True)]
    for image, (rendered, _), (scores, tags) in zip(images, CHIPS, rows, strict=True):
        named = zip(model.space.names, scores, tags, strict=True)
        pairs = [(name, float(score)) for name, score, holds in named if holds]
        result.append(TaggedChip(image, sorted(pairs, key=lambda pair: -pair[1]), set(rendered.split())))
    return result


def draw(chips: list[TaggedChip]) -> Image.Image:
    """Return the picture."""
    rows = [chips[first : first + COLUMNS] for first in range(0, len(chips), COLUMNS)]
    heights = [max(chip.height for chip in row) + GAP for row in rows]
    sheet = Image.new(
        "RGB", (COLUMNS * (SIDE + GAP) + GAP, GAP + sum(heights) + LINE_HEIGHT * len(LEGEND) + GAP), "white"
    )
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for column, chip in enumerate(row):
            draw_chip(sheet, chip, GAP + column * (SIDE + GAP), top)
        top += height

    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(LEGEND):
        pen.text((GAP, top + LINE_HEIGHT * number + LINE_HEIGHT // 2), line, GREY, load_font(14), anchor="lm")
    return sheet


def draw_chip(sheet: Image.Image, chip: TaggedChip, left: int, top: int) -> None:
    """Draw a chip and, below it, a line for each tag: name, bar, score."""
    font, pen = load_font(15), ImageDraw.Draw(sheet)
    sheet.paste(chip.image, (left, top))
    middle, right = top + SIDE + 8 + LINE_HEIGHT // 2, left + SIDE
    for name, score in chip.tags:
        colour, bar_colour = (INK, BAR) if name in chip.rendered else (GREY, GREY)
        pen.text((left, middle), name, colour, font, anchor="lm")
        pen.text((right, middle), f"{score:.2f}", colour, font, anchor="rm")
        start = right - SCORE_WIDTH - BAR_WIDTH
        upper, lower = middle - BAR_HEIGHT // 2, middle + BAR_HEIGHT // 2
        pen.rectangle((start, upper, start + BAR_WIDTH, lower), TRACK)
        pen.rectangle((start, upper, start + BAR_WIDTH * score, lower), bar_colour)
        middle += LINE_HEIGHT
    if chip.missed:
        pen.text((left, middle), f"missed: {', '.join(chip.missed)}", GREY, load_font(13), anchor="lm")


def load_font(size: int) -> FreeTypeFont | BitmapFont:
    """Return Pillow's own font, which every machine has."""
    return ImageFont.load_default(size)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    draw(tag_chips()).quantize(MAX_COLOURS).save(options.picture, optimize=True)


if __name__ == "__main__":
    main()

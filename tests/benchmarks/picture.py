"""The README's picture: the chips that `amazon_tags sample` renders, over the tags that the bundled model gives them.

python -m tests.benchmarks.picture PICTURE.png
"""

import sys
import tempfile
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from amazon_tags.datasets import sample
from amazon_tags.model import bundle
from amazon_tags.prediction.predict import find_chips, predict_chips
from amazon_tags.tables import labels

COLUMNS, SIDE, GAP = 4, 256, 12
LINES = 3  # of tags under a chip


def main(target: Path) -> None:
    """Write the picture."""
    model = bundle.load(bundle.DEFAULT)
    font = ImageFont.load_default(14)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "chips")
        sample.write(folder, 12)
        paths = find_chips([folder])
        tags = [row for part in predict_chips(paths, model) for row in part.tags]
        height = SIDE + LINES * 18 + 10
        rows = -(-len(paths) // COLUMNS)
        sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, rows * (height + GAP) + GAP), "white")
        pen = ImageDraw.Draw(sheet)
        for place, (path, row) in enumerate(zip(paths, tags, strict=True)):
            left, top = GAP + place % COLUMNS * (SIDE + GAP), GAP + place // COLUMNS * (height + GAP)
            with Image.open(path) as chip:
                sheet.paste(chip, (left, top))
            text = textwrap.wrap(", ".join(labels.decode(model.space, row)), 34)
            pen.multiline_text((left, top + SIDE + 5), "\n".join(text[:LINES]), "black", font, spacing=4)
    sheet.quantize(256).save(target, optimize=True)  # a palette: a third of the bytes


if __name__ == "__main__":
    main(Path(sys.argv[1]))

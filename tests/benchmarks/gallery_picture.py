"""Draw the README's picture of a gallery: rendered chips, tagged by the bundled model, in headless Chromium.

python -m tests.benchmarks.gallery_picture .assets/gallery.png
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from amazon_tags.datasets import sample
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.review.gallery import tag_and_show
from tests.browser import open_page, wait_for

CHIPS = 24
WIDTH, HEIGHT = 1180, 760  # pixels of the window
MAX_COLOURS = 96  # a palette makes the file a third as large


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chips, page, shot = (Path(folder, name) for name in ("chips", "gallery.html", "shot.png"))
        sample.write(chips, CHIPS)
        tag_and_show([chips], OutputPaths(tags=Path(folder, "tags.csv"), page=page))
        with open_page(page, width=WIDTH, height=HEIGHT) as shown:
            shown.wait_for_selector("canvas[data-row]")
            shown.locator("#tag-buttons button").nth(0).click()
            shown.locator("#sort-key").select_option("expected")
            wait_for(shown, "![...document.querySelectorAll('.tile canvas')].some((one) => !one.dataset.row)")
            shown.mouse.move(0, 0)
            shown.screenshot(path=shot)
        with Image.open(shot) as image:
            image.convert("RGB").quantize(MAX_COLOURS).save(options.picture, optimize=True)


if __name__ == "__main__":
    main()

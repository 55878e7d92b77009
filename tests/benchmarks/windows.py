"""Divide scenes into chips without labels, on which a student network can learn from its teachers.

    python -m tests.benchmarks.windows OUTPUT SCENE.jpg ... [--side 256] [--stride 192] [--veiled 0.25]

A window that shows a scene's black edge is left out. A share of the windows is covered by rendered haze or clouds, of
which published scenes have too little.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from features.images import listing

Pixels = NDArray[np.uint8]  # (side, side, 3)

HAZE_COLOUR = np.array([200.0, 205.0, 212.0])  # a slightly blue white
MAX_BLACK_SHARE = 0.02  # of a window's pixels; more of them are a scene's edge
BLACK_LEVEL = 8  # the lossy edge of a JPG scene is not exactly 0


def veil(window: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the window under a sheet of haze, or under clouds with gaps."""
    side = len(window)
    field = np.zeros((side, side))
    for cells in (2, 4, 8, 16):
        coarse = rng.random((cells + 1, cells + 1)).astype(np.float32)
        field += np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)) / cells
    field = (field - field.min()) / np.ptp(field)

    cloudy = rng.random() < 0.5
    cover = np.clip((field - rng.uniform(0.3, 0.7)) * 4, 0, 1) if cloudy else rng.uniform(0.2, 0.6) + 0.2 * field
    veiled = window * (1 - cover[..., None]) + HAZE_COLOUR * cover[..., None]
    result: Pixels = np.rint(veiled).clip(0, 255).astype(np.uint8)
    return result


def write_windows(options: argparse.Namespace) -> int:
    """Write the windows of all scenes as PNG and return their number."""
    rng = np.random.default_rng(0)
    count = 0
    for scene in options.scenes:
        pixels = np.asarray(Image.open(scene).convert("RGB"))
        for top in range(0, pixels.shape[0] - options.side + 1, options.stride):
            for left in range(0, pixels.shape[1] - options.side + 1, options.stride):
                window = pixels[top : top + options.side, left : left + options.side]
                if (window.max(axis=2) < BLACK_LEVEL).mean() > MAX_BLACK_SHARE:
                    continue
                shown = veil(window, rng) if rng.random() < options.veiled else window
                Image.fromarray(shown).save(options.output / f"{scene.stem}_{top:05}_{left:05}.png")
                count += 1
    return count


def main() -> None:
    """Write the windows that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("scenes", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--stride", type=int, default=192)
    parser.add_argument("--veiled", type=float, default=0.25)
    options = parser.parse_args()

    options.output.mkdir()
    count = write_windows(options)
    if len(listing.chips([options.output])) != count:
        raise SystemExit(f"{options.output} does not hold the {count} windows that were written.")
    print(f"{options.output}: {count} windows of {len(options.scenes)} scenes")


if __name__ == "__main__":
    main()

"""Cut scenes into chips without labels, for a student's teachers to look at.

    python -m tests.benchmarks.windows OUT SCENE.jpg ... [--side 256] [--stride 192] [--veiled 0.25]

Windows that are not wholly inside of the scene, or that show nothing, are left out. A share of them is veiled by
rendered haze or cloud, of which scenes that somebody chose have too little.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from features.images import listing

LIGHT = np.array([200.0, 205.0, 212.0])  # what haze adds: a white with some blue in it


def veil(window: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The window under a sheet of haze, or under clouds with holes."""
    side = len(window)
    field = np.zeros((side, side))
    for cells in (2, 4, 8, 16):
        coarse = rng.random((cells + 1, cells + 1)).astype(np.float32)
        field += np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)) / cells
    field = (field - field.min()) / np.ptp(field)
    cloudy = rng.random() < 0.5
    cover = np.clip((field - rng.uniform(0.3, 0.7)) * 4, 0, 1) if cloudy else rng.uniform(0.2, 0.6) + 0.2 * field
    return np.rint(window * (1 - cover[..., None]) + LIGHT * cover[..., None]).clip(0, 255).astype(np.uint8)


def main() -> None:
    """Write the windows as PNG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("scenes", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--stride", type=int, default=192)
    parser.add_argument("--veiled", type=float, default=0.25)
    chosen = parser.parse_args()
    chosen.out.mkdir()
    rng = np.random.default_rng(0)
    written = 0
    for scene in chosen.scenes:
        pixels = np.asarray(Image.open(scene).convert("RGB"))
        for top in range(0, pixels.shape[0] - chosen.side + 1, chosen.stride):
            for left in range(0, pixels.shape[1] - chosen.side + 1, chosen.stride):
                window = pixels[top : top + chosen.side, left : left + chosen.side]
                if (window.max(axis=2) < 8).mean() > 0.02:  # the black edge of a scene
                    continue
                shown = veil(window, rng) if rng.random() < chosen.veiled else window
                Image.fromarray(shown).save(chosen.out / f"{scene.stem}_{top:05}_{left:05}.png")
                written += 1
    assert len(listing.chips([chosen.out])) == written
    print(f"{chosen.out}: {written} windows of {len(chosen.scenes)} scenes")


if __name__ == "__main__":
    sys.exit(main())

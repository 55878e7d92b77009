"""What training does to a chip before it is shown: one of the 8 dihedral views, a little light and contrast."""

import os

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the network for a newer release
import albumentations

from features.arrays import Chip


def pipeline(seed: int, dtype: str = "uint8") -> albumentations.Compose:
    """The transforms of one batch; the same seed makes the same choices.

    Light changes by up to a tenth of 255, but of a 16-bit chip, whose sensor fills a small part of its range, by a
    tenth of the chip's mean.
    """
    light = albumentations.RandomBrightnessContrast(
        brightness_limit=0.1, contrast_limit=0.1, brightness_by_max=dtype == "uint8", p=0.5
    )
    return albumentations.Compose([albumentations.D4(p=1.0), light], seed=seed)


def augment(batch: list[Chip], seed: int) -> list[Chip]:
    """Each chip transformed by itself, in its own integer type."""
    transform = pipeline(seed, str(batch[0].dtype))
    return [np.ascontiguousarray(transform(image=chip)["image"]) for chip in batch]

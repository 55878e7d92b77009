"""What training does to a chip before it is shown: one of the 8 dihedral views, a little light and contrast."""

import os

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or importing it asks the network for a newer release
import albumentations

from features import chips


def pipeline(seed: int) -> albumentations.Compose:
    """The transforms of one batch; the same seed makes the same choices."""
    return albumentations.Compose(
        [
            albumentations.D4(p=1.0),
            albumentations.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5),
        ],
        seed=seed,
    )


def augment(batch: list[chips.Chip], seed: int) -> list[chips.Chip]:
    """Each chip transformed by itself, in its own integer type."""
    transform = pipeline(seed)
    return [np.ascontiguousarray(transform(image=chip)["image"]) for chip in batch]

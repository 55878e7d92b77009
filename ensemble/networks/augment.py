"""Augmentation of training chips: one of the 8 dihedral views, and a small change of brightness and contrast."""

import os

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks a server for a newer release
import albumentations

from features.arrays import Chip


def pipeline(seed: int, dtype: str = "uint8") -> albumentations.Compose:
    """Return the transforms of one batch; the same seed makes the same choices.

    The brightness of an 8-bit chip changes by up to a tenth of 255, that of a 16-bit chip, whose sensor uses a small
    part of the range, by up to a tenth of the chip's mean.
    """
    brightness = albumentations.RandomBrightnessContrast(
        brightness_limit=0.1, contrast_limit=0.1, brightness_by_max=dtype == "uint8", p=0.5
    )
    return albumentations.Compose([albumentations.D4(p=1.0), brightness], seed=seed)


def augment(batch: list[Chip], seed: int) -> list[Chip]:
    """Return each chip with a transform of its own, in its own integer type."""
    transform = pipeline(seed, str(batch[0].dtype))
    return [np.ascontiguousarray(transform(image=chip)["image"]) for chip in batch]

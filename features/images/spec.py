"""Declare the chips that a network expects."""

from dataclasses import dataclass

from features.images.layout import AS_STATED, Layout
from features.images.stored import RGB


@dataclass(frozen=True)
class ChipSpec:
    """The chips that a network expects: bands in order, their integer type, and the side in pixels.

    `layout` is how the files of its chips are read.
    """

    bands: tuple[str, ...] = RGB
    dtype: str = "uint8"
    side: int = 256
    layout: Layout = AS_STATED

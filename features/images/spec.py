"""Declare the chips that a network expects."""

from dataclasses import dataclass

from features.images.layout import AS_STATED, Layout
from features.images.stored import RGB


@dataclass(frozen=True)
class ChipSpec:
    """The chips that a network expects.

    Attributes:
        bands: In order.
        dtype: Their integer type.
        side: In pixels.
        layout: What the user states about the files; it counts before what the files state.
        training_layout: What was stated about the files of the training chips; it counts after what the files state.
    """

    bands: tuple[str, ...] = RGB
    dtype: str = "uint8"
    side: int = 256
    layout: Layout = AS_STATED
    training_layout: Layout = AS_STATED

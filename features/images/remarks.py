"""Declare remarks on chips: what was assumed about a chip, or looks wrong with it, without making it unusable."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """A remark.

    Attributes:
        text: The same for all chips that have it, so that they can be counted.
        detail: What was found on this chip.
    """

    text: str
    detail: str = ""

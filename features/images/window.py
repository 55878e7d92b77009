"""Declare a window: a chip that is a part of a larger picture, and is read wherever the file of a chip is."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from features.images.stored import StoredImage


class Picture(Protocol):
    """What windows are read from; `scenes.scene.Scene` is one."""

    @cached_property
    def sha256(self) -> str:
        """The hash of the files that the picture is read from."""

    def read(self, window: "Window") -> StoredImage:
        """Return the image of a window, as it would be read from a file that was cut from the picture.

        Raises:
            ValueError: The picture is damaged there; the message is to be put after its name.
            OSError: The picture cannot be read.
        """


@dataclass(frozen=True)
class Window:
    """A part of a picture, in its pixels. It may lie over the picture's edge; pixels there are 0 and hold no data."""

    picture: Picture
    column: int
    row: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """Return the window's name in tables, such as r256_c0."""
        return f"r{self.row}_c{self.column}"

    def __str__(self) -> str:
        """Return the picture's name and the position."""
        return f"{self.picture} at row {self.row}, column {self.column}"

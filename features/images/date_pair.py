"""Declare a pair of dates: two chips of one place, which a network of pairs takes together as one chip."""

from dataclasses import dataclass
from pathlib import Path

from features.images.archives import ArchivedFile


@dataclass(frozen=True)
class DatePair:
    """Two chips of one place at two dates. It is accepted wherever a chip's path is, if the spec is of two dates.

    Attributes:
        name: Of the pair in tables.
        before: The chip of the earlier date.
        after: The chip of the later date.
    """

    name: str
    before: Path | ArchivedFile
    after: Path | ArchivedFile

    def __str__(self) -> str:
        """Return the paths of both chips."""
        return f"{self.before} and {self.after}"

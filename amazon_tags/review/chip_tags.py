"""The results of `Tagger.predict`, which notebooks show as a table with thumbnails."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import SupportsIndex, overload

from PIL import Image

from amazon_tags.pages.page import render_fragment
from amazon_tags.review.pictures import THUMBNAIL_SIDE, draw_chip, draw_image
from features.images.chips import ChipError
from features.images.listing import ChipPath
from features.images.overlays import data_uri
from features.images.spec import ChipSpec
from features.images.stored import StoredImage

MAX_SHOWN = 20  # chips of a table in a notebook, which stores it; they take some 60 kB


@dataclass(frozen=True)
class ChipTags:
    """The result for one chip.

    Attributes:
        name: the file's name without its suffix; `chip_0`, `chip_1`, ... for the chips of an array.
        tags: the names of its tags, in the label space's order.
        scores: the score of every label, from 0 to 1, in the label space's order.
    """

    name: str
    tags: list[str]
    scores: dict[str, float]


class TaggedList(list[ChipTags]):
    """A list of results that knows where the chips are, so that notebooks can show them.

    Chips are read when the table is shown, not before. A slice shows its own chips.
    """

    def __init__(
        self, results: Iterable[ChipTags], sources: Sequence[ChipPath | StoredImage], spec: ChipSpec | None = None
    ) -> None:
        super().__init__(results)
        self.sources = sources
        self.spec = spec or ChipSpec()

    @overload
    def __getitem__(self, row: SupportsIndex) -> ChipTags: ...
    @overload
    def __getitem__(self, row: slice) -> "TaggedList": ...
    def __getitem__(self, row: SupportsIndex | slice) -> "ChipTags | TaggedList":
        """Return one result, or a part of the list."""
        if isinstance(row, slice):
            return TaggedList(super().__getitem__(row), self.sources[row], self.spec)
        return super().__getitem__(row)

    def _repr_html_(self) -> str:
        """Return the table of the first chips, as notebooks ask for it."""
        shown = self[:MAX_SHOWN]
        rows = [
            (self._picture(source), chip.name, [(tag, f"{chip.scores[tag]:.2f}") for tag in chip.tags])
            for chip, source in zip(shown, shown.sources, strict=True)
        ]
        return render_fragment("chip_table.html", rows=rows, count=len(self), side=THUMBNAIL_SIDE)

    def _picture(self, source: ChipPath | StoredImage) -> str:
        """Return a thumbnail as a data URI; empty for a file that is no longer there or was changed."""
        try:
            if isinstance(source, StoredImage):
                pixels = draw_image(source, self.spec, THUMBNAIL_SIDE, "chip")
            else:
                pixels = draw_chip(source, self.spec, THUMBNAIL_SIDE)
        except (ChipError, OSError):
            return ""
        return data_uri(Image.fromarray(pixels))

"""The results of `Tagger.predict`, which notebooks show as a table with thumbnails or as a gallery."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import SupportsIndex, overload

import numpy as np
from PIL import Image

from amazon_tags.pages.page import render_fragment
from amazon_tags.prediction.decide import tag_scores
from amazon_tags.review.decided_chips import DecidedChips, Reading
from amazon_tags.review.gallery import small_page
from amazon_tags.review.pictures import THUMBNAIL_SIDE, Source, draw_chip
from features.images.chips import ChipError
from features.images.overlays import data_uri

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


@dataclass(frozen=True)
class InlinePage:
    """A page that a notebook shows in a frame, as high as `height` pixels."""

    page: str = field(repr=False)
    title: str
    height: int

    def _repr_html_(self) -> str:
        """Return the frame with the whole page in it, so that no server has to find a file."""
        return render_fragment("frame.html", page=self.page, title=self.title, height=self.height)


class TaggedList(list[ChipTags]):
    """A list of results that knows where the chips are, so that notebooks can show them.

    Chips are read when the table or the gallery is shown, not before. A slice shows its own chips.
    """

    def __init__(self, results: Iterable[ChipTags], sources: Sequence[Source], reading: Reading) -> None:
        super().__init__(results)
        self.sources = sources
        self.reading = reading

    @overload
    def __getitem__(self, row: SupportsIndex) -> ChipTags: ...
    @overload
    def __getitem__(self, row: slice) -> "TaggedList": ...
    def __getitem__(self, row: SupportsIndex | slice) -> "ChipTags | TaggedList":
        """Return one result, or a part of the list."""
        if isinstance(row, slice):
            return TaggedList(super().__getitem__(row), self.sources[row], self.reading)
        return super().__getitem__(row)

    def gallery(self, *, height: int = 640) -> InlinePage:
        """Return the page of `amazon_tags gallery` for a notebook, with small pictures, since the notebook stores it.

        Args:
            height: of its frame, in pixels.

        Raises:
            ValueError: the list has more than 500 chips; take a part.
        """
        names = [chip.name for chip in self]
        labels = self.reading.space.names
        scores = np.array([[chip.scores[label] for label in labels] for chip in self], np.float32)
        tagged = tag_scores(self.reading.decision, names, scores.reshape(len(self), len(labels)))
        decided = DecidedChips(
            names, list(self.sources), tagged.scores, tagged.tags, tagged.expected_f, [None] * len(self)
        )
        return InlinePage(small_page(decided, self.reading), f"Gallery of {len(self):,} chips", height)

    def _repr_html_(self) -> str:
        """Return the table of the first chips, as notebooks ask for it."""
        shown = self[:MAX_SHOWN]
        rows = [
            (self._picture(source), chip.name, [(tag, f"{chip.scores[tag]:.2f}") for tag in chip.tags])
            for chip, source in zip(shown, shown.sources, strict=True)
        ]
        return render_fragment("chip_table.html", rows=rows, count=len(self), side=THUMBNAIL_SIDE)

    def _picture(self, source: Source) -> str:
        """Return a thumbnail as a data URI; empty for a file that is no longer there or was changed."""
        try:
            pixels = draw_chip(source, self.reading.spec, THUMBNAIL_SIDE)
        except (ChipError, OSError):
            return ""
        return data_uri(Image.fromarray(pixels))

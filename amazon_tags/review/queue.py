"""The queue of a review: the first chips of an order, with their pictures, and the tags to ask about."""

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from amazon_tags import progress
from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.review.chips_to_review import ChipsToReview, ReviewTables, read_chips
from amazon_tags.review.orders import Order, order_rows
from amazon_tags.tables import label_tables
from amazon_tags.tables.image_names import select
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats, Rows, Tags
from ensemble.decisions.review_worth import self_confidence
from features.arrays import Thumbnail
from features.images import chips as chip_files
from features.images.layout import AS_STATED, Layout
from features.images.listing import ChipPath, Listing
from features.images.overlays import jpeg_bytes
from features.images.remarks import Remark
from features.images.spec import ChipSpec
from features.scenes import duplicates

SIDE_PIXELS = 256  # of a picture
MAX_CHIPS = 1000  # of a queue; a picture has 10 to 20 kB, so its page has at most some 25 MB
MIN_ASKED_SCORE = 0.05  # from which a tag that a chip does not have is asked about


@dataclass(frozen=True)
class QueueOptions:
    """Which chips to take.

    Attributes:
        order: which come first.
        limit: how many.
        groups: a table `image_name,group`, of whose groups one chip each is taken; None compares the pictures.
        layout: what the files do not state of their bands and levels.
        jobs: threads.
    """

    order: Order = "worth"
    limit: int = 200
    groups: Path | None = None
    layout: Layout = AS_STATED
    jobs: int = 1


@dataclass(frozen=True)
class QueuedChip:
    """A chip to look at.

    Attributes:
        name: in tables.
        tags: the columns of its present tags.
        asked: the columns of the tags to ask about, the most doubtful first.
        scores: of all labels.
        confidence: the probability of the most doubtful label as it stands.
        picture: a JPEG.
    """

    name: str
    tags: tuple[int, ...]
    asked: tuple[int, ...]
    scores: tuple[float, ...]
    confidence: float
    picture: bytes


@dataclass(frozen=True)
class Queue:
    """Chips to look at, in their order; `has_labels` says whether their tags are labels, else they are predicted."""

    space: LabelSpace
    order: Order | Literal["random"]
    has_labels: bool
    chips: list[QueuedChip]

    def digest(self) -> str:
        """Return a hash of what is asked: answers belong to a queue of the same digest."""
        asked = [(chip.name, chip.tags, chip.asked, chip.scores) for chip in self.chips]
        text = json.dumps([self.space.names, self.order, self.has_labels, asked])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Drawn:
    """A chip's picture as a JPEG, its thumbnail, and remarks on its file."""

    picture: bytes
    thumbnail: Thumbnail
    remarks: tuple[Remark, ...]


def make_queue(tables: ReviewTables, paths: Listing, options: QueueOptions | None = None) -> Queue:
    """Read the tables, order the chips, and draw the first of them.

    Of chips of one group, or without groups of near-duplicates among those taken, only the first is taken.

    Raises:
        ChipError: a chip cannot be used.
        ValueError: a table is wrong, the order needs other tables, or a chip is missing.
    """
    options = options or QueueOptions()
    chips = read_chips(tables)
    files = paths.take(select(paths.names(), chips.names).tolist())
    order = order_rows(chips, options.order)
    if options.groups:
        groups = label_tables.read_groups(options.groups, chips.names)
        _, first = np.unique(groups[order], return_index=True)
        order = order[np.sort(first)]

    rows, drawn = _take(order, files, options)
    confidence = self_confidence(chips.scores, chips.tags)
    queued = [_queued(chips, row, confidence[row], one.picture) for row, one in zip(rows, drawn, strict=True)]
    return Queue(chips.space, options.order, chips.has_labels, queued)


def sample_queue(chips: ChipsToReview, files: Listing, rows: Rows, *, layout: Layout, jobs: int) -> Queue:
    """Return the queue of a random sample, in its order, which asks about every label of each chip, its tags first.

    Args:
        chips: all chips.
        files: (chips,) what they are read from.
        rows: of the sample.
        layout: what the files do not state of their bands and levels.
        jobs: threads.

    Raises:
        ChipError: a chip cannot be used.
    """
    options = QueueOptions(layout=layout, jobs=jobs)
    sample = chips.take(rows)
    confidence = self_confidence(sample.scores, sample.tags)
    remarks = RemarkCounts()
    queued = []
    with progress.bar("drawing", len(rows)) as advance:
        for row, drawn in enumerate(_draw(files.take(rows.tolist()), options)):
            remarks.add([sample.names[row]], [drawn.remarks])
            chip = _queued(sample, row, confidence[row], drawn.picture, least=0.0)
            present = [label for label in chip.asked if label in chip.tags]
            queued.append(replace(chip, asked=tuple(dict.fromkeys([*present, *chip.asked]))))
            advance(1)
    remarks.say()
    return Queue(chips.space, "random", chips.has_labels, queued)


def _queued(
    chips: ChipsToReview, row: int, confidence: Floats, picture: bytes, *, least: float = MIN_ASKED_SCORE
) -> QueuedChip:
    """Return a chip that asks about its present tags and others of a score of at least `least`."""
    scores = chips.scores[row]
    return QueuedChip(
        name=chips.names[row],
        tags=tuple(np.flatnonzero(chips.tags[row]).tolist()),
        asked=_asked(chips.tags[row], scores, confidence, least),
        scores=tuple(round(float(score), 4) for score in scores),
        confidence=round(float(confidence.min()), 4),
        picture=picture,
    )


def _asked(tags: Tags, scores: np.ndarray, confidence: Floats, least: float) -> tuple[int, ...]:
    """Return the columns to ask about: the present tags and those of a fair score, the least confident first."""
    asked = tags | (scores >= least)
    order = np.argsort(confidence, kind="stable")
    return tuple(int(column) for column in order if asked[column]) or (int(order[0]),)


def _take(order: Rows, files: Listing, options: QueueOptions) -> tuple[list[int], list[_Drawn]]:
    """Draw chips in their order until there are enough; without groups, leave out near-duplicates of earlier ones."""
    rows: list[int] = []
    drawn: list[_Drawn] = []
    remarks = RemarkCounts()
    with progress.bar("drawing", min(options.limit, len(order))) as advance:
        for first in range(0, len(order), options.limit):
            block = order[first : first + options.limit].tolist()
            pictures = list(_draw(files.take(block), options))
            remarks.add([files.names()[row] for row in block], [picture.remarks for picture in pictures])
            repeats = set() if options.groups else _repeats([*drawn, *pictures])
            new = [place for place in range(len(block)) if place + len(drawn) not in repeats]
            new = new[: options.limit - len(rows)]
            rows += [block[place] for place in new]
            drawn += [pictures[place] for place in new]
            advance(len(new))
            if len(rows) == options.limit:
                break
    remarks.say()
    return rows, drawn


def _repeats(drawn: Sequence[_Drawn]) -> set[int]:
    """Return the places of chips that are near-duplicates of an earlier one which itself stays."""
    repeats: set[int] = set()
    pairs = duplicates.find_pairs(np.stack([one.thumbnail for one in drawn]))
    for first, second in sorted(pairs.tolist()):
        if first not in repeats:
            repeats.add(second)
    return repeats


def _draw(files: Listing, options: QueueOptions) -> Iterator[_Drawn]:
    """Yield the pictures of chips in their order, read by several threads a few chips ahead."""
    spec = ChipSpec(side=SIDE_PIXELS, layout=options.layout)
    pending: deque[Future[_Drawn]] = deque()
    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            for path in files:
                pending.append(pool.submit(_draw_one, path, spec))
                if len(pending) > 2 * options.jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _draw_one(path: ChipPath, spec: ChipSpec) -> _Drawn:
    stored = chip_files.read_image(path)
    longest = max(stored.pixels.shape[:2])
    chip = chip_files.fit(stored, replace(spec, side=min(spec.side, longest)), str(path))
    pixels = chip.pixels.astype(np.uint8, copy=False)
    return _Drawn(jpeg_bytes(Image.fromarray(pixels)), duplicates.thumbnail(pixels), chip.remarks)

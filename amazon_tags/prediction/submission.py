"""Write tags as they come: the submission, the score table, and the list of chips that could not be used."""

import errno
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.files import atomic, preflight
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.tables import label_tables, score_tables
from amazon_tags.tables.labels import LabelSpace


@dataclass(frozen=True)
class OutputPaths:
    """Files to write: tags go to stdout unless `tags` names a file; the others are written where named."""

    tags: Path | None = None
    scores: Path | None = None
    errors: Path | None = None
    log: Path | None = None
    page: Path | None = None

    def refuse(self, *inputs: Iterable[Path]) -> None:
        """Raise, before any chip is read, the error that writing would end in.

        Raises:
            OSError: a file cannot be written.
            ValueError: a file is one of the `inputs`, or is named for two outputs.
        """
        if not self.tags and not sys.stdout:
            raise OSError(errno.EBADF, "stdout is closed; open it, or name a file by -o")
        if self.scores:
            score_tables.refuse_score_path(self.scores)
        outputs = [self.tags or Path("/dev/stdout"), self.scores, self.errors, self.log, self.page]
        preflight.refuse_outputs([path for path in outputs if path], chain(*inputs))


def write_submission(
    tagged: Iterable[TaggedChips],
    space: LabelSpace,
    outputs: OutputPaths,
    *,
    fill: NDArray[np.float32] | None = None,
    total: int | None = None,
) -> int:
    """Write the rows of each part as soon as it is decided, and return how many chips could not be used.

    Reports remarks on the chips, and the mean expected F of those that could be used, at the end.

    Args:
        tagged: tags of chips, in order.
        space: names of the labels.
        outputs: files to write.
        fill: (labels,) the scores to write for chips that cannot be used; None leaves these chips out.
        total: number of chips, for the progress bar.
    """
    unusable: list[dict[str, str]] = []
    count, expected_f, remarks = 0, 0.0, RemarkCounts()
    table = (
        score_tables.score_writer(outputs.scores, space) if outputs.scores else nullcontext(lambda ids, scores: None)
    )
    with atomic.atomic_text(outputs.tags) as stream, table as write_scores, progress.bar("tagging", total) as advance:
        for number, part in enumerate(tagged):
            usable = part.usable
            rows = np.flatnonzero(usable if fill is None else np.ones_like(usable))
            ids = [part.ids[row] for row in rows]
            label_tables.write_tags(stream, ids, part.tags[rows], space, header=number == 0)
            stream.flush()
            write_scores(ids, np.where(usable[:, np.newaxis], part.scores, 0 if fill is None else fill)[rows])

            count, expected_f = count + len(ids), expected_f + float(part.expected_f[usable].sum())
            unusable += error_entries(part)
            remarks.add(part.ids, part.remarks)
            advance(len(part.ids))

    if outputs.errors:  # even an empty list, or the list of an earlier run would stay
        atomic.write_json_lines(outputs.errors, unusable)
    remarks.say()
    if count:
        progress.say(_summary(count, 0 if fill is None else len(unusable), expected_f))
    return len(unusable)


def spelled_like(tagged: Iterable[TaggedChips], spellings: Sequence[str]) -> Iterator[TaggedChips]:
    """Yield the parts with the chips' names as a sample submission spells them, such as with a suffix.

    Args:
        tagged: tags of chips, in the order of the sample submission.
        spellings: the name of each row of the sample submission.
    """
    first = 0
    for part in tagged:
        last = first + len(part.ids)
        yield replace(part, ids=list(spellings[first:last]))
        first = last


def _summary(rows: int, filled: int, expected_f: float) -> str:
    """Return a sentence on the written rows; `expected_f` is the sum over those that were not filled."""
    tagged = rows - filled
    if not tagged:
        return f"{rows:,} chips, of which none could be used"
    mean = f"expected F {expected_f / tagged:.3f}"
    if filled:
        mean += f" over the {tagged:,} that could be used, without the {filled:,} filled"
    return f"{rows:,} chips; {mean}, as far as the scores are probabilities"


def error_entries(part: TaggedChips) -> list[dict[str, str]]:
    """Return the lines of errors.jsonl for a part."""
    return [
        {"file": file, "error": error} for file, error in zip(part.files, part.errors, strict=True) if error is not None
    ]

"""Rows without a picture, for `predict --on-error fill`: of damaged chips, and of those that only `--like` names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.datasets.date_pairs import DatePairs
from amazon_tags.model import training_record
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.predict import TaggedChips, find_chips, find_pairs
from amazon_tags.tables import label_tables
from amazon_tags.tables.image_names import select
from features.images.listing import Listing

LabelScores = NDArray[np.float32]  # (labels,)


def fill_scores(model: Bundle) -> LabelScores:
    """Return the scores (labels,) that a chip gets without a look at it: each label's rate among the training chips.

    A bundle of an older version has no record of its training chips; its common tags then score 1 and the others 0.

    Raises:
        BundleError: the record is damaged.
    """
    record = training_record.read(model.folder)
    return model.common.astype(np.float32) if record is None else record.truth.mean(axis=0, dtype=np.float32)


def find_named_chips(
    inputs: Sequence[Path], like: Path, pairs: Path | None = None
) -> tuple[Listing | DatePairs, list[str]]:
    """Return the chips that a sample submission names and that are there, in its order, and all names in it.

    Raises:
        ValueError: there are no chips, or none of them is named.
    """
    paths, names = find_pairs(inputs, pairs) if pairs else find_chips(inputs), label_tables.read_ids(like)
    there = set(paths.names())
    named = [name for name in names if name in there]
    return paths.take(select(paths.names(), named or names)), names


def with_absent_chips(
    tagged: Iterable[TaggedChips], names: Sequence[str], there: Sequence[str], like: Path, model: Bundle
) -> Iterator[TaggedChips]:
    """Yield the parts with a row for every name of a sample submission, in its order.

    Args:
        tagged: tags of the chips `there`, in the order of the sample submission.
        names: all names of the sample submission.
        there: those of them that have a chip.
        like: the sample submission, for the error of the others.
        model: whose common tags the others get.
    """
    with_chip = set(there)
    is_there = np.array([name in with_chip for name in names], np.bool_)
    ends = np.flatnonzero(is_there) + 1  # (there,) the row after each chip
    first = seen = 0
    for part in tagged:
        seen += len(part.ids)
        rows = slice(first, int(ends[seen - 1]))
        absent = [name for name in names[rows] if name not in with_chip]
        yield _interleave(part, _absent_chips(absent, like, model), is_there[rows])
        first = rows.stop
    if first < len(names):
        yield _absent_chips(names[first:], like, model)


def _absent_chips(names: Sequence[str], like: Path, model: Bundle) -> TaggedChips:
    return TaggedChips(
        ids=list(names),
        files=list(names),
        scores=np.zeros((len(names), len(model.common)), np.float32),
        tags=np.tile(model.common, (len(names), 1)),
        expected_f=np.zeros(len(names)),
        errors=[f"is named in {like} but is not among the chips"] * len(names),
        band_statistics=np.full((len(names), 2 * len(model.spec.channels)), np.nan, np.float32),
        remarks=[()] * len(names),
    )


def _interleave(there: TaggedChips, absent: TaggedChips, is_there: NDArray[np.bool_]) -> TaggedChips:
    """Return the rows of both, each in its order; `is_there` (rows,) says from which the next row is."""
    if is_there.all():
        return there
    order = np.argsort(np.argsort(~is_there, kind="stable"), kind="stable")  # row of the result -> row of both joined
    columns: dict[str, Any] = {}
    for field in fields(TaggedChips):
        first, second = getattr(there, field.name), getattr(absent, field.name)
        if isinstance(first, np.ndarray):
            columns[field.name] = np.concatenate([first, second])[order]
        else:
            joined = [*first, *second]
            columns[field.name] = [joined[row] for row in order]
    return TaggedChips(**columns)

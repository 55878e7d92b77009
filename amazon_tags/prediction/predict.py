"""Chips to tags: list the chips, score them, decide their tags; `submission` then writes the rows.

Every step is a stream of parts with one row for each chip, in the order of the chips. A chip that cannot be used keeps
its row: its error is in `errors`, its scores are 0 and its band statistics NaN. Only the writer leaves such rows out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.date_pairs import DatePairs, list_pairs
from amazon_tags.model.bundle import Bundle
from amazon_tags.tables import label_tables
from amazon_tags.tables.image_names import select
from ensemble.arrays import Floats, Scores, Tags
from ensemble.decisions.decision import expected_f
from features.images import listing
from features.images.listing import ChipSource, Listing
from features.images.remarks import Remark
from features.networks import extract
from features.networks.extract import Outputs


@dataclass(frozen=True)
class ScoredChips:
    """The next chips in order, and their scores."""

    ids: list[str]  # the chips' names in tables
    files: list[str]  # (chips,) the file that an error is reported for
    scores: Scores  # (chips, labels), 0 for a chip with an error
    errors: list[str | None]  # (chips,) why a chip cannot be used, or None
    band_statistics: NDArray[np.float32]  # (chips, 2 * bands) as in `extract.Outputs`, NaN for a chip with an error
    remarks: list[tuple[Remark, ...]]  # (chips,) what was assumed about a chip or looks wrong with it


@dataclass(frozen=True)
class TaggedChips:
    """The next chips in order, and their tags; a chip with an error has the bundle's common tags."""

    ids: list[str]
    files: list[str]  # (chips,) the file that an error is reported for
    scores: Scores  # (chips, labels), 0 for a chip with an error
    tags: Tags  # (chips, labels)
    expected_f: Floats  # (chips,) the expected F-beta of the tags if the scores are probabilities; 0 for an error
    errors: list[str | None]  # (chips,) why a chip cannot be used, or None
    band_statistics: NDArray[np.float32]  # (chips, 2 * bands) as in `ScoredChips`
    remarks: list[tuple[Remark, ...]]  # (chips,) as in `ScoredChips`

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which chips (chips,) have no error."""
        return _usable(self.errors)


def find_chips(inputs: Sequence[Path], like: Path | None = None) -> Listing:
    """Return the chips in natural order or, with a sample submission `like`, exactly its rows in its order.

    `submission.spelled_like` then writes the names as the sample submission spells them.

    Raises:
        ValueError: there are no chips, or the sample submission names chips that are missing.
    """
    paths = list_chips(inputs)
    if like is None:
        return paths
    return paths.take(select(paths.names(), label_tables.read_ids(like)))


def find_pairs(inputs: Sequence[Path], table: Path, like: Path | None = None) -> DatePairs:
    """Return the pairs of chips that a table names as `find_chips` returns chips; raises like `list_pairs`, too."""
    pairs = list_pairs(table, inputs)
    return pairs if like is None else pairs.take(select(pairs.names(), label_tables.read_ids(like)))


def predict_chips(
    paths: Sequence[ChipSource], model: Bundle, *, views: int = 1, tolerant: bool = False, jobs: int = 2
) -> Iterator[TaggedChips]:
    """Score chips and decide their tags, a batch at a time, in the order of `paths`.

    Args:
        paths: chips, as `find_chips` lists them.
        model: an open bundle.
        views: number of dihedral views, 1 to 8, whose scores are averaged.
        tolerant: return the error of a chip that cannot be used with its row, instead of raising it.
        jobs: threads that decode.

    Raises:
        ChipError: a chip cannot be used, and `tolerant` is False.
        OSError: a chip cannot be read, and `tolerant` is False.
    """
    return decide_chips(score_chips(paths, model, views=views, tolerant=tolerant, jobs=jobs), model)


def score_chips(
    paths: Sequence[ChipSource], model: Bundle, *, views: int = 1, tolerant: bool = False, jobs: int = 2
) -> Iterator[ScoredChips]:
    """Score chips, a batch at a time, in the order of `paths`; arguments and errors are those of `predict_chips`."""
    for outputs in extract.stream_outputs(paths, model.networks, model.spec, turns=views, jobs=jobs, tolerant=tolerant):
        part = list(paths[outputs.rows])
        ids, files, scores = list(map(listing.name, part)), list(map(str, part)), _scores(outputs, model)
        yield ScoredChips(ids, files, scores, outputs.errors, outputs.band_statistics, outputs.remarks)


def _scores(outputs: Outputs, model: Bundle) -> Scores:
    """Return the model's scores (chips, labels), 0 for a chip with an error."""
    usable = _usable(outputs.errors)
    if usable.all():
        return model.scores(outputs.values)
    scores = np.zeros((len(usable), len(model.space.names)), np.float32)
    scores[usable] = model.scores([value.compress(usable, axis=1) for value in outputs.values])
    return scores


def decide_chips(parts: Iterable[ScoredChips], model: Bundle) -> Iterator[TaggedChips]:
    """Decide the tags of scored chips; a chip with an error gets the tags that are common among the training chips."""
    for part in parts:
        usable = _usable(part.errors)
        tags = np.where(usable[:, np.newaxis], model.decide(part.scores), model.common)
        yield TaggedChips(
            ids=part.ids,
            files=part.files,
            scores=part.scores,
            tags=tags,
            expected_f=np.where(usable, expected_f(model.decision, part.scores, tags), 0),
            errors=part.errors,
            band_statistics=part.band_statistics,
            remarks=part.remarks,
        )


def _usable(errors: Sequence[str | None]) -> NDArray[np.bool_]:
    return np.array([error is None for error in errors], np.bool_)

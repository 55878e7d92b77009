"""What `amazon_tags predict` does: chips in, one row of tags a chip out, as they are decided."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model.bundle import Bundle
from amazon_tags.tables import label_tables
from amazon_tags.tables.image_names import select
from ensemble.decisions.decision import expected_f
from features.images import listing
from features.images.listing import ChipPath, Listing
from features.networks import extract

ON_ERROR = ("fail", "skip", "fill")


@dataclass(frozen=True)
class ScoredChips:
    """The next chips in order, their scores, and what is wrong with each, whose scores are then 0.

    `looks` are those of `extract.Outputs`, of the good chips.
    """

    places: list[ChipPath]
    scores: NDArray[np.float32]  # (chips, labels)
    errors: list[str | None]
    band_statistics: NDArray[np.float32]  # (good chips, 2 * bands)


@dataclass(frozen=True)
class TaggedChips:
    """The next chips in order, and what was wrong with those among them that cannot be used.

    `expected` is the F-beta that each chip's tags may be expected to be worth, if its scores are probabilities. `good`
    are the chips that were looked at, and `looks` are theirs, as in `Scored`.
    """

    ids: list[str]
    scores: NDArray[np.float32]  # (chips, labels)
    tags: NDArray[np.bool_]  # (chips, labels)
    expected: NDArray[np.float64]  # (chips,)
    failures: list[tuple[ChipPath, str]]
    good: NDArray[np.bool_]  # (chips,)
    band_statistics: NDArray[np.float32]  # (good chips, 2 * bands)


def find_chips(inputs: Sequence[Path], like: Path | None = None) -> Listing:
    """The chips in natural order or, with a sample submission, exactly its rows in its order.

    Raises:
        ValueError: if there are no chips, or the sample submission names chips that are missing.
    """
    paths = listing.chips(inputs)
    if like is None:
        return paths
    return paths.take(select(paths.names(), label_tables.read_ids(like)))


def predict_chips(
    paths: Listing, model: Bundle, *, views: int = 1, on_error: str = "fail", jobs: int = 2
) -> Iterator[TaggedChips]:
    """Tags of chips, in their order, a batch at a time.

    Args:
        paths: chips, as `find` lists them.
        model: an open bundle.
        views: dihedral views, 1 to 8, whose scores are averaged.
        on_error: what becomes of a chip that cannot be used: `fail` raises its error, `skip` leaves it out,
            `fill` gives it the tags that over a fifth of the training chips carry, with scores of 0.
        jobs: threads that decode.
    """
    return decide_chips(
        score_chips(paths, model, views=views, tolerant=on_error != "fail", jobs=jobs), model, on_error=on_error
    )


def score_chips(
    paths: Sequence[ChipPath], model: Bundle, *, views: int = 1, tolerant: bool = False, jobs: int = 2
) -> Iterator[ScoredChips]:
    """Scores of chips, in their order, a batch at a time; `tolerant` tells of chips that cannot be used."""
    for outputs in extract.stream_outputs(paths, model.networks, model.spec, turns=views, jobs=jobs, tolerant=tolerant):
        wrong = {row: str(error) for row, error in outputs.failures}
        rows = sorted([*outputs.rows.tolist(), *wrong])
        scores = np.zeros((len(rows), len(model.space.names)), np.float32)
        scores[[row not in wrong for row in rows]] = model.scores(outputs.values)
        yield ScoredChips(
            [paths[row] for row in rows], scores, [wrong.get(row) for row in rows], outputs.band_statistics
        )


def decide_chips(parts: Iterable[ScoredChips], model: Bundle, *, on_error: str = "fail") -> Iterator[TaggedChips]:
    """Tags for scores; chips that could not be used are left out unless `on_error` is `fill`."""
    for part in parts:
        good = np.array([error is None for error in part.errors], np.bool_)
        kept = good | (on_error == "fill")
        places = [place for place, keep in zip(part.places, kept, strict=True) if keep]
        scores, good = part.scores[kept], good[kept]
        tags = np.where(good[:, None], model.decide(scores), model.common)
        expected = np.where(good, expected_f(model.decision, scores, tags), 0)
        failures = [(place, error) for place, error in zip(part.places, part.errors, strict=True) if error is not None]
        yield TaggedChips(
            [listing.name(place) for place in places], scores, tags, expected, failures, good, part.band_statistics
        )

"""What `amazon_tags predict` does: chips in, one row of tags a chip out, as they are decided."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags import bundle, tables
from ensemble import decoders
from features import chips, extract, listing

ON_ERROR = ("fail", "skip", "fill")


@dataclass(frozen=True)
class Tagged:
    """The next chips in order, and what was wrong with those among them that cannot be used.

    `expected` is the F-beta that each chip's tags may be expected to be worth, if its scores are probabilities.
    """

    ids: list[str]
    scores: NDArray[np.float32]  # (chips, labels)
    tags: NDArray[np.bool_]  # (chips, labels)
    expected: NDArray[np.float64]  # (chips,)
    failures: list[tuple[listing.Place, chips.ChipError | OSError]]


def find(inputs: Sequence[Path], like: Path | None = None) -> listing.Listing:
    """The chips in natural order or, with a sample submission, exactly its rows in its order.

    Raises:
        ValueError: if there are no chips, or the sample submission names chips that are missing.
    """
    paths = listing.chips(inputs)
    if like is None:
        return paths
    return paths.take(tables.select(paths.names(), tables.read_ids(like)))


def run(
    paths: Sequence[listing.Place], model: bundle.Bundle, *, views: int = 1, on_error: str = "fail", jobs: int = 2
) -> Iterator[Tagged]:
    """Tags of chips, in their order, a batch at a time.

    Args:
        paths: chip files, as `find` lists them.
        model: an open bundle.
        views: dihedral views, 1 to 8, whose scores are averaged.
        on_error: what becomes of a chip that cannot be used: `fail` raises its error, `skip` leaves it out,
            `fill` gives it the tags that over a fifth of the training chips carry, with scores of 0.
        jobs: threads that decode.
    """
    tolerant = on_error != "fail"
    for outputs in extract.stream(paths, model.networks, model.spec, turns=views, jobs=jobs, tolerant=tolerant):
        failed = [row for row, _ in outputs.failures] if on_error == "fill" else []
        rows = np.array(sorted([*outputs.rows, *failed]), np.intp)
        good = np.isin(rows, outputs.rows)
        scores = np.zeros((len(rows), len(model.space.names)), np.float32)
        scores[good] = model.scores(outputs.values)
        tags = np.where(good[:, None], model.decide(scores), model.common)
        failures = [(paths[row], error) for row, error in outputs.failures]
        expected = np.where(good, decoders.forecast(model.decision, scores, tags), 0)
        yield Tagged([listing.name(paths[row]) for row in rows], scores, tags, expected, failures)

"""What a run saw, against what its model learnt from: tag rates, colours, and where the chips lie among the scores.

One line of JSON a run, in a log that only grows. Nothing in it names a chip.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic
from amazon_tags.model.bundle import Bundle
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.predict import TaggedChips
from ensemble.arrays import Floats
from ensemble.metrics import shift

MAX_SAMPLED_CHIPS = 2 * shift.MAX_TESTED_CHIPS  # chips kept of a run, evenly over it
EDGE = 1e-3  # of scores, before they become log odds


@dataclass
class RunStatistics:
    """What came by so far, in memory that does not grow with it."""

    chips: int = 0
    expected: float = 0.0
    tags: Floats | None = None  # (labels,) how many chips carry each
    band_statistics: Floats | None = None  # (2, 2 * bands) sums and sums of squares
    sample: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=list)  # scores and looks
    stride: int = 1

    def add(self, part: TaggedChips) -> None:
        """Count the good chips of a part."""
        good = part.usable
        looks = part.band_statistics[good]
        band_statistics, scores = looks.astype(np.float64), part.scores[good]
        sums = np.stack([band_statistics.sum(axis=0), (band_statistics**2).sum(axis=0)])
        given = part.tags[good].sum(axis=0).astype(np.float64)
        self.band_statistics = sums if self.band_statistics is None else self.band_statistics + sums
        self.tags = given if self.tags is None else self.tags + given
        self.expected += float(part.expected_f[good].sum())
        rows = range(-self.chips % self.stride, len(scores), self.stride)
        self.sample += [(scores[row], looks[row]) for row in rows]
        self.chips += len(scores)
        if len(self.sample) > MAX_SAMPLED_CHIPS:
            self.sample, self.stride = self.sample[::2], 2 * self.stride


def watch_run(tagged: Iterable[TaggedChips], seen: RunStatistics) -> Iterator[TaggedChips]:
    """The same parts, each counted once it was used."""
    for part in tagged:
        yield part
        seen.add(part)


def monitor_line(seen: RunStatistics, model: Bundle, training: TrainingRecord) -> dict[str, Any]:
    """The line of the log: rates, shifts from the training chips, and the F that the tags are expected to be worth.

    `stability` is the population stability index of each tag's rate; `colours` how far the mean of each band's mean
    and deviation lies from that of the training chips, in their spreads; `discrepancy` the maximum mean discrepancy of
    log odds and looks, with the `p` of its permutation test.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line: dict[str, Any] = {
        "when": now,
        "model": str(model.manifest["sha256"])[:12],
        "chips": seen.chips,
        "training_chips": len(training.hashes),
    }
    if not seen.chips or seen.tags is None or seen.band_statistics is None:
        return line
    names, bands = model.space.names, model.spec.bands
    before = model.decide(training.scores)
    given = np.arange(seen.chips)[:, np.newaxis] < seen.tags  # the same rates; the order is no matter
    index = shift.stability_index(before, given)
    mean, square = seen.band_statistics / seen.chips
    usual, spread = training.band_statistics.mean(axis=0), np.maximum(training.band_statistics.std(axis=0), 1e-6)
    moved = np.abs(mean - usual) / spread
    scores, band_statistics = (np.stack(column) for column in zip(*seen.sample, strict=True))
    found, p = shift.discrepancy(_vectors(training.scores, training.band_statistics), _vectors(scores, band_statistics))
    what = [*(f"{band} mean" for band in bands), *(f"{band} deviation" for band in bands)]
    return line | {
        "expected_f": seen.expected / seen.chips,
        "rates": dict(zip(names, (seen.tags / seen.chips).tolist(), strict=True)),
        "brightness": float(mean[: len(bands)].mean()),
        "looks": dict(zip(what, mean.tolist(), strict=True)),
        "spreads": dict(zip(what, np.sqrt(np.maximum(square - mean**2, 0)).tolist(), strict=True)),
        "stability": dict(zip(names, index.tolist(), strict=True)),
        "colours": dict(zip(what, moved.tolist(), strict=True)),
        "discrepancy": found,
        "p": p,
    }


def append_line(log: Path, line: dict[str, Any]) -> None:
    """One more line."""
    atomic.append(log, json.dumps(line, allow_nan=False) + "\n")


def _vectors(scores: NDArray[np.float32], band_statistics: NDArray[np.float32]) -> Floats:
    kept = np.clip(scores.astype(np.float64), EDGE, 1 - EDGE)
    return np.concatenate([np.log(kept / (1 - kept)), band_statistics.astype(np.float64)], axis=1)

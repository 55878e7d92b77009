"""Compare the chips of a run with the model's training chips: tag rates, band statistics, and the scores' distribution.

`predict --monitor` appends one line of JSON for each run to a log. A line holds statistics only, no chip's name.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags import records
from amazon_tags.files import atomic
from amazon_tags.model.bundle import Bundle
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.records import Json, json_keys
from ensemble.arrays import Floats, Scores
from ensemble.decisions.calibrate import log_odds
from ensemble.metrics import shift

MAX_SAMPLED_CHIPS = 2 * shift.MAX_TESTED_CHIPS  # of a run; halved when it is full, enough for the test are left
MIN_SCORE = 1e-3  # scores are kept this far from 0 and 1, where log-odds would be infinite
MIN_SPREAD = 1e-6  # of a band statistic over the training chips, which divides its shift


@dataclass
class RunStatistics:
    """Sums over the chips of a run so far, and an even sample of them, in memory that does not grow with the run.

    The sample has the scores (labels,) and the band statistics (2 * bands,) of each chip in it.
    """

    chips: int = 0  # those without an error
    expected_f_sum: float = 0.0
    tag_counts: Floats | None = None  # (labels,) the chips with each tag
    band_sums: Floats | None = None  # (2, 2 * bands) sums and sums of squares of the band statistics
    sample: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=list)
    stride: int = 1  # every how many chips one is sampled

    def add(self, part: TaggedChips) -> None:
        """Add the chips of a part that have no error."""
        usable = part.usable
        scores, statistics = part.scores[usable], part.band_statistics[usable]

        bands = statistics.astype(np.float64)
        band_sums = np.stack([bands.sum(axis=0), (bands**2).sum(axis=0)])
        tag_counts = part.tags[usable].sum(axis=0).astype(np.float64)
        self.band_sums = band_sums if self.band_sums is None else self.band_sums + band_sums
        self.tag_counts = tag_counts if self.tag_counts is None else self.tag_counts + tag_counts
        self.expected_f_sum += float(part.expected_f[usable].sum())

        rows = range(-self.chips % self.stride, len(scores), self.stride)
        self.sample += [(scores[row], statistics[row]) for row in rows]
        self.chips += len(scores)
        if len(self.sample) > MAX_SAMPLED_CHIPS:
            self.sample, self.stride = self.sample[::2], 2 * self.stride


@json_keys(omit_defaults=True, band_means="looks", band_deviations="spreads", band_shifts="colours")
@dataclass(frozen=True)
class MonitorLine:
    """A line of the log. The fields from `expected_f` on are None for a run without a usable chip.

    The keys of tag measures are labels; those of band measures are `<band> mean` and `<band> deviation`, the statistics
    of a band within a chip.
    """

    when: str  # ISO 8601, UTC
    model: str  # the first 12 digits of the bundle's SHA-256
    chips: int
    training_chips: int | None = None  # None in logs of older versions
    expected_f: float | None = None  # mean over chips
    rates: dict[str, float] | None = None  # share of chips with each tag
    brightness: float | None = None  # mean over bands
    band_means: dict[str, float] | None = None  # mean of each band statistic over the run's chips
    band_deviations: dict[str, float] | None = None  # its standard deviation over the run's chips
    stability: dict[str, float] | None = None  # population stability index of each tag's rate
    band_shifts: dict[str, float] | None = None  # from the training chips' mean, in their standard deviations
    discrepancy: float | None = None  # maximum mean discrepancy of log-odds and band statistics
    p: float | None = None  # of the discrepancy's permutation test

    def __post_init__(self) -> None:
        """Refuse numbers of chips that are none."""
        for count in (self.chips, self.training_chips or 0):
            if count < 0:
                raise ValueError(f"{count} is not a number of chips")

    def to_json(self) -> Json:
        """Return the values as the log has them, without those that are None."""
        return records.to_json(self)

    @classmethod
    def from_json(cls, values: Json) -> "MonitorLine":
        """Return the line with the values of a log; unknown keys are ignored.

        Raises:
            ValueError: a value is missing or has another type.
        """
        with _refused_values():
            return records.from_json(cls, values)


def watch_run(tagged: Iterable[TaggedChips], statistics: RunStatistics) -> Iterator[TaggedChips]:
    """Yield the same parts, and add each to the statistics once it has been used."""
    for part in tagged:
        yield part
        statistics.add(part)


def monitor_line(statistics: RunStatistics, model: Bundle, training: TrainingRecord) -> MonitorLine:
    """Compare a run with the model's training chips."""
    line = MonitorLine(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        model=model.manifest.name,
        chips=statistics.chips,
        training_chips=len(training.hashes),
    )
    if not statistics.chips or statistics.tag_counts is None or statistics.band_sums is None:
        return line

    labels = model.space.names
    tags = np.arange(statistics.chips)[:, np.newaxis] < statistics.tag_counts  # the same rates; the order has no effect
    stability = shift.stability_index(model.decide(training.scores), tags)

    mean, mean_square = statistics.band_sums / statistics.chips
    training_mean = training.band_statistics.mean(axis=0)
    training_spread = np.maximum(training.band_statistics.std(axis=0), MIN_SPREAD)
    bands = [f"{band} {statistic}" for statistic in ("mean", "deviation") for band in model.spec.channels]

    scores, band_statistics = (np.stack(column) for column in zip(*statistics.sample, strict=True))
    discrepancy, p = shift.discrepancy(
        _vectors(training.scores, training.band_statistics), _vectors(scores, band_statistics)
    )

    return replace(
        line,
        expected_f=statistics.expected_f_sum / statistics.chips,
        rates=_by_name(labels, statistics.tag_counts / statistics.chips),
        brightness=float(mean[: len(model.spec.channels)].mean()),
        band_means=_by_name(bands, mean),
        band_deviations=_by_name(bands, np.sqrt(np.maximum(mean_square - mean**2, 0))),
        stability=_by_name(labels, stability),
        band_shifts=_by_name(bands, np.abs(mean - training_mean) / training_spread),
        discrepancy=discrepancy,
        p=p,
    )


def append_line(log: Path, line: MonitorLine) -> None:
    """Append a line to a log."""
    atomic.append(log, json.dumps(line.to_json(), allow_nan=False) + "\n")


def parse_line(content: bytes) -> MonitorLine:
    """Return the line of a log that its bytes hold.

    Raises:
        ValueError: the bytes are not a monitor's line.
    """
    with _refused_values():
        return MonitorLine.from_json(json.loads(content, parse_constant=_refuse_constant))


def _vectors(scores: Scores, band_statistics: NDArray[np.float32]) -> Floats:
    """Return the vectors (chips, labels + 2 * bands) whose distribution is compared."""
    return np.concatenate([log_odds(scores, edge=MIN_SCORE), band_statistics.astype(np.float64)], axis=1)


def _by_name(names: Sequence[str], values: Floats) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


@contextmanager
def _refused_values() -> Iterator[None]:
    """Turn what reading JSON of another kind raises into a ValueError."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError(repr(error)) from error

"""Compare two bundles by what they answered out of fold on the same training chips."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import records
from amazon_tags.model import bundle, training_record
from amazon_tags.model.measured_scores import Interval
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.records import Json
from ensemble.arrays import Tags
from ensemble.choice import gain_over
from ensemble.metrics import score

DRAWS = 2000  # of the bootstrap of the relative gain, as of other intervals


@dataclass(frozen=True)
class Comparison:
    """The out-of-fold F2 of two bundles; intervals are 95 % percentile bootstraps over chips, paired.

    Attributes:
        chips: how many chips both were trained on.
        f2: of the first bundle's tags, each by a decision that was fitted without the chip.
        other_f2: of the other bundle's.
        gain: the first less the second.
        relative_gain: the gain as a share of the other's F2.
    """

    chips: int
    f2: float
    other_f2: float
    gain: float
    gain_interval: Interval
    relative_gain: float
    relative_gain_interval: Interval

    def to_json(self) -> Json:
        """Return the values as `bundle compare --json` prints them."""
        return records.to_json(self)


def compare_bundles(folder: Path, other: Path) -> Comparison:
    """Compare a bundle with another that was trained on the same chips and labels.

    Raises:
        BundleError: a bundle is damaged.
        ValueError: the chips, their tags or the labels differ, or a bundle has no out-of-fold tags.
    """
    record, other_record = (training_record.read_required(path) for path in (folder, other))
    names, other_names = (bundle.read_manifest(path).space.names for path in (folder, other))
    if set(names) != set(other_names):
        different = sorted(set(names) ^ set(other_names))
        raise ValueError(
            f"{folder} and {other} differ in {len(different)} labels (first: {different[0]}); train both with the same "
            "labels."
        )
    rows = _same_chips(folder, record, other, other_record)
    columns = [other_names.index(name) for name in names]
    truth, tags = record.truth, _tags(folder, record)
    other_truth = other_record.truth[rows][:, columns]
    if (truth != other_truth).any():
        count = int((truth != other_truth).any(axis=1).sum())
        raise ValueError(
            f"{folder} and {other} were trained on other tags of {count} of {len(truth)} chips; train both on the same "
            "table."
        )
    return _measure(truth, tags, _tags(other, other_record)[rows][:, columns])


def _measure(truth: Tags, tags: Tags, other_tags: Tags) -> Comparison:
    f2, other = score.per_chip(truth, tags), score.per_chip(truth, other_tags)
    gain, interval = gain_over(other, f2)
    sums = score.resampled_sums(np.stack([f2, other], axis=1), 0, DRAWS)
    low, high = np.quantile(sums[:, 0] / sums[:, 1] - 1, [0.025, 0.975])
    return Comparison(
        chips=len(truth),
        f2=float(f2.mean()),
        other_f2=float(other.mean()),
        gain=gain,
        gain_interval=interval,
        relative_gain=float(f2.sum() / other.sum() - 1),
        relative_gain_interval=(float(low), float(high)),
    )


def _same_chips(folder: Path, record: TrainingRecord, other: Path, other_record: TrainingRecord) -> list[int]:
    """Return the row of each chip of the first record in the other."""
    if sorted(record.hashes) != sorted(other_record.hashes):
        shared = len(set(record.hashes) & set(other_record.hashes))
        raise ValueError(
            f"{folder} was trained on {len(record.hashes)} chips and {other} on {len(other_record.hashes)}, of which "
            f"{shared} are the same; train both on the same chips."
        )
    order, other_order = (
        sorted(range(len(hashes)), key=hashes.__getitem__) for hashes in (record.hashes, other_record.hashes)
    )
    pairs = dict(zip(order, other_order, strict=True))  # a stable order pairs also chips of the same content
    return [pairs[row] for row in range(len(order))]


def _tags(folder: Path, record: TrainingRecord) -> Tags:
    if record.tags is None:
        raise ValueError(f"{folder} has no out-of-fold tags, as bundles of older versions; train the model again.")
    return record.tags


def comparison_text(comparison: Comparison) -> str:
    """Return the comparison as two lines."""
    low, high = comparison.gain_interval
    relative_low, relative_high = comparison.relative_gain_interval
    return (
        f"F2 {comparison.f2:.4f} against {comparison.other_f2:.4f}, out of fold on {comparison.chips} chips\n"
        f"gain {comparison.gain:+.4f} ({low:+.4f} to {high:+.4f}), relative {comparison.relative_gain:+.2%} "
        f"({relative_low:+.2%} to {relative_high:+.2%})\n"
    )

"""Measure predicted tags against the ground truth: F2 and a table of the labels, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amazon_tags import progress, records
from amazon_tags.model.measured_scores import LabelReport, decimals
from amazon_tags.records import Json
from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.image_names import likely_difference, select
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Tags
from ensemble.metrics import score
from features.images import naming


@dataclass(frozen=True)
class Evaluation:
    """The scores of predicted tags; intervals are 95 % percentile bootstraps over chips."""

    f2: float  # mean over chips
    interval: tuple[float, float]  # of F2
    chips: int
    micro_f1: float
    macro_f1: float
    labels: dict[str, LabelReport]  # in the label space's order

    def to_json(self) -> Json:
        """Return the values as `evaluate --json` prints them."""
        return records.to_json(self)


def evaluate_tables(predicted: Path, truth: Path, *, space: str = "planet", join_rows: bool = False) -> Evaluation:
    """Measure a submission against a label table, on the chips that the label table names.

    Args:
        predicted: a submission or another table of tags; chips that `truth` does not name are not counted.
        truth: a label table, a one-hot table, or a folder with a subfolder of chips for each class.
        space: `planet`, `table` or `folders` (the labels of `truth`), or a TOML file.
        join_rows: join the tags of all rows of an image, in both tables.

    Raises:
        ValueError: the submission lacks a chip, or one of the tables is wrong.
    """
    label_space = labels.choose(space, truth)
    true = truth_tables.read_truth(truth, label_space, join_rows=join_rows)
    predictions = truth_tables.read_truth(predicted, label_space, join_rows=join_rows)
    true.report(truth)
    predictions.report(predicted)
    ids = sorted(true.ids, key=naming.natural)  # the intervals draw rows, so no table's order may count
    _refuse_missing(predicted, predictions.ids, truth, ids)
    true_tags, tags = true.truth[select(true.ids, ids)], predictions.truth[select(predictions.ids, ids)]
    surplus = len(predictions.ids) - len(true.ids)
    if surplus > 0:
        progress.say(f"{predicted}: {surplus} chips have no row in {truth} and are not counted")

    return measure_tags(true_tags, tags, label_space)


def _refuse_missing(predicted: Path, ids: Sequence[str], truth: Path, wanted: Sequence[str]) -> None:
    present = set(ids)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} chips of {truth} are missing from {predicted} (first: {missing[0]!r})"
            f"{likely_difference(missing[0], ids)}; predict them, or leave them out of {truth}."
        )


def measure_tags(truth: Tags, tags: Tags, space: LabelSpace) -> Evaluation:
    """Measure tags (chips, labels) against the truth (chips, labels): F2, F1, and the scores of each label."""
    return Evaluation(
        f2=score.f2(truth, tags),
        interval=score.bootstrap_interval(score.per_chip(truth, tags)),
        chips=len(truth),
        micro_f1=score.f1(truth, tags, "micro"),
        macro_f1=score.f1(truth, tags, "macro"),
        labels=_measure_labels(truth, tags, space),
    )


def _measure_labels(truth: Tags, tags: Tags, space: LabelSpace) -> dict[str, LabelReport]:
    each = score.per_label(truth, tags)
    intervals = score.label_intervals(truth, tags)
    return {
        name: LabelReport(
            precision=float(each.precision[column]),
            recall=float(each.recall[column]),
            f2=float(each.f2[column]),
            interval=(float(intervals[column, 0]), float(intervals[column, 1])),
            support=int(each.support[column]),
        )
        if each.support[column] or each.predicted[column]
        else LabelReport(None, None, None, None, support=0)
        for column, name in enumerate(space.names)
    }


def evaluation_text(evaluation: Evaluation) -> str:
    """Return the scores as an aligned table of plain text."""
    low, high = evaluation.interval
    width = max(map(len, evaluation.labels))
    lines = [
        f"F2 {evaluation.f2:.4f} ({low:.4f} to {high:.4f}) on {evaluation.chips} chips",
        f"micro F1 {evaluation.micro_f1:.4f}, macro F1 {evaluation.macro_f1:.4f}",
        "",
        f"{'label':{width}}  support  precision  recall      F2  95 % interval",
    ]
    lines += [
        f"{name:{width}}  {label.support:7}  {decimals(label.precision):>9}  {decimals(label.recall):>6}"
        f"  {decimals(label.f2):>6}  {' to '.join(map(decimals, label.interval)) if label.interval else '-'}"
        for name, label in evaluation.labels.items()
    ]
    return "\n".join(lines) + "\n"

"""What `amazon_tags evaluate` does: tags given and tags true, to F2 and a table of the labels, with intervals."""

from pathlib import Path
from typing import Any

from amazon_tags import progress
from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.image_names import select
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Tags
from ensemble.metrics import score


def evaluate_tables(predicted: Path, truth: Path, *, space: str = "planet") -> dict[str, Any]:
    """Measure a submission against a label table, on the chips that the label table names.

    Raises:
        ValueError: if the submission lacks one of them, or either table is wrong.
    """
    known = labels.choose(space, truth)
    true, given = label_tables.read_labels(truth, known), label_tables.read_labels(predicted, known)
    for path, table in ((truth, true), (predicted, given)):
        for remark in table.remarks:
            progress.say(f"{path}: {remark}")
    rows = select(given.ids, true.ids)
    if len(given.ids) > len(true.ids):
        progress.say(f"{predicted}: {len(given.ids) - len(true.ids)} chips have no row in {truth} and are not counted")
    return measure_tags(true.truth, given.truth[rows], known)


def measure_tags(truth: Tags, tags: Tags, space: LabelSpace) -> dict[str, Any]:
    """F2 and each label's precision, recall, F2 and support; intervals are 95 % percentile bootstraps over chips."""
    low, high = score.bootstrap_interval(score.per_chip(truth, tags))
    each = score.per_label(truth, tags)
    intervals = score.label_intervals(truth, tags)
    return {
        "f2": score.f2(truth, tags),
        "interval": [low, high],
        "chips": len(truth),
        "micro_f1": score.f1(truth, tags, "micro"),
        "macro_f1": score.f1(truth, tags, "macro"),
        "labels": {
            name: {
                "precision": float(each.precision[column]),
                "recall": float(each.recall[column]),
                "f2": float(each.f2[column]),
                "interval": [float(end) for end in intervals[column]],
                "support": int(each.support[column]),
            }
            for column, name in enumerate(space.names)
        },
    }


def evaluation_text(measured: dict[str, Any]) -> str:
    """The measurements as an aligned table of plain text."""
    low, high = measured["interval"]
    width = max(map(len, measured["labels"]))
    lines = [
        f"F2 {measured['f2']:.4f} ({low:.4f} to {high:.4f}) on {measured['chips']} chips",
        f"micro F1 {measured['micro_f1']:.4f}, macro F1 {measured['macro_f1']:.4f}",
        "",
        f"{'label':{width}}  support  precision  recall      F2  95 % interval",
    ]
    lines += [
        f"{name:{width}}  {row['support']:7}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f2']:6.3f}"
        f"  {row['interval'][0]:.3f} to {row['interval'][1]:.3f}"
        for name, row in measured["labels"].items()
    ]
    return "\n".join(lines) + "\n"

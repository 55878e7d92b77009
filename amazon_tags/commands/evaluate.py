"""`amazon_tags evaluate`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit


@click.command("evaluate")
@click.argument("predicted", type=options.EXISTING)
@click.argument("table", metavar="LABELS", type=options.EXISTING)
@options.JOIN_ROWS
@options.JSON
@options.LABELS
def evaluate_command(predicted: Path, table: Path, join_rows: bool, as_json: bool, space: str) -> None:
    """Measure PREDICTED tags against the ground truth in LABELS.

    Prints F2, and precision, recall and F2 of each label, with 95 % intervals.

    Example: amazon_tags evaluate submission.csv labels.csv
    """
    from amazon_tags.evaluation.evaluate import evaluate_tables, evaluation_text

    report = evaluate_tables(predicted, table, space=space, join_rows=join_rows)
    emit(json.dumps(report.to_json(), indent=2) + "\n" if as_json else evaluation_text(report))

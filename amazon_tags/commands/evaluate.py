"""`amazon_tags evaluate`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit


@click.command("evaluate")
@click.argument("predicted", type=options.FILE)
@click.argument("table", metavar="LABELS", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.LABELS
def evaluate_command(predicted: Path, table: Path, as_json: bool, space: str) -> None:
    """Measure PREDICTED tags against LABELS: F2, every label, intervals.

    Example: amazon_tags evaluate submission.csv labels.csv
    """
    from amazon_tags.evaluation.evaluate import evaluate_tables, evaluation_text

    measured = evaluate_tables(predicted, table, space=space)
    emit(json.dumps(measured.to_json(), indent=2) + "\n" if as_json else evaluation_text(measured))

"""`amazon_tags tune`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals


@click.command("tune")
@click.argument("scores", type=options.FILE)
@click.argument("truth", metavar="LABELS", type=options.EXISTING)
@click.option("-o", "--output", required=True, type=options.OUTPUT, help="The JSON file of the decision to write.")
@click.option("--beta", type=click.FloatRange(0.01, 100), default=2, show_default=True, help="The beta of F-beta.")
@click.option(
    "--recall",
    "recalls",
    multiple=True,
    metavar="LABEL>=RECALL",
    help="The lowest recall that a label may have, such as road>=0.8.",
)
@options.GROUPS
@options.JOIN_ROWS
@options.JSON
@click.option("--html", "page", type=options.OUTPUT, help="Also write the report as an HTML page with curves.")
@options.LABELS
def tune_command(
    scores: Path,
    truth: Path,
    output: Path,
    beta: float,
    recalls: tuple[str, ...],
    groups: Path | None,
    join_rows: bool,
    as_json: bool,
    page: Path | None,
    space: str,
) -> None:
    """Choose how SCORES become tags, using the ground truth in LABELS, and measure the choice on held-out chips.

    SCORES is a CSV or Parquet table, one column per label, of chips that the model was not trained on.

    Example: amazon_tags tune scores.csv labels.csv -o decision.json
    """
    floors = dict(options.parse_recall_floor(text) for text in recalls)
    from amazon_tags.evaluation.tune import TuneRequest, tune
    from amazon_tags.evaluation.tuning_page import tuning_page
    from amazon_tags.evaluation.tuning_report import tune_text
    from amazon_tags.files import atomic, preflight
    from amazon_tags.model import decision_file

    catch_signals()
    preflight.refuse_outputs([path for path in (output, page) if path], [scores, truth])
    request = TuneRequest(beta, floors, groups, join_rows=join_rows)
    outcome = tune(scores, truth, space=space, request=request)
    decision_file.write(output, outcome.space, outcome.result.decision)
    if page:
        atomic.write_text(page, tuning_page(outcome))
    emit(json.dumps(outcome.report.to_json(), indent=2) + "\n" if as_json else tune_text(outcome.report))

"""`amazon_tags tune`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals


@click.command("tune")
@click.argument("scores", type=options.FILE)
@click.argument("truth", metavar="LABELS", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.OUT, help="The decision to write, as JSON.")
@click.option("--beta", type=click.FloatRange(0.01, 100), default=2, show_default=True, help="The beta of F-beta.")
@click.option(
    "--recall", "recalls", multiple=True, metavar="LABEL>=RECALL", help="A recall to reach, such as road>=0.8."
)
@options.GROUPS
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--html", "page_path", type=options.OUT, help="Also write the report as a page with curves.")
@options.LABELS
def tune_command(
    scores: Path,
    truth: Path,
    output: Path,
    beta: float,
    recalls: tuple[str, ...],
    groups: Path | None,
    as_json: bool,
    page_path: Path | None,
    space: str,
) -> None:
    """Choose how SCORES become tags by the truth in LABELS; says what that is worth on held-out chips.

    SCORES are CSV or Parquet, a column a label, of chips that the network had not seen.

    Example: amazon_tags tune scores.csv labels.csv -o decision.json
    """
    from amazon_tags.evaluation.tune import TuneRequest, tune
    from amazon_tags.evaluation.tuning_page import render_page
    from amazon_tags.evaluation.tuning_report import tune_text
    from amazon_tags.files import atomic, preflight
    from amazon_tags.model import decision_file

    catch_signals()
    preflight.refuse_outputs([path for path in (output, page_path) if path], [scores, truth])
    request = TuneRequest(beta, dict(options.floor(entry) for entry in recalls), groups)
    outcome = tune(scores, truth, space=space, request=request)
    decision_file.write(output, outcome.space, outcome.result.decision)
    if page_path:
        atomic.write_text(page_path, render_page(outcome))
    emit(json.dumps(outcome.report.to_json(), indent=2) + "\n" if as_json else tune_text(outcome.report))

"""`amazon_tags drift`."""

import json
import sys
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import DRIFTED, emit


@click.command("drift")
@click.argument("log", type=options.FILE)
@options.JSON
@click.option(
    "--stability",
    type=float,
    default=0.25,
    show_default=True,
    help="Highest population stability index of a tag's rate.",
)
@click.option(
    "--colours",
    type=float,
    default=1.0,
    show_default=True,
    help="Largest shift of a band's mean, in standard deviations of the training chips.",
)
@click.option(
    "--discrepancy",
    type=float,
    default=0.3,
    show_default=True,
    help="Highest maximum mean discrepancy (MMD) between the run's chips and the training chips.",
)
def drift_command(log: Path, as_json: bool, stability: float, colours: float, discrepancy: float) -> None:
    """Compare the last run in LOG with the training chips of its model.

    LOG is a file that amazon_tags predict --monitor LOG wrote. Ends with exit code 10 if a measure is past its limit.

    Example: amazon_tags drift monitor.jsonl
    """
    from amazon_tags.prediction.drift import DriftLimits, drift_text, find_drift

    limits = DriftLimits(stability, colours, discrepancy)
    report = find_drift(log, limits)
    emit(json.dumps(report.to_json(), indent=2) + "\n" if as_json else drift_text(log, report, limits))
    if report.moved:
        sys.exit(DRIFTED)

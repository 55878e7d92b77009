"""`amazon_tags drift`."""

import json
import sys
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import DRIFTED, emit


@click.command("drift")
@click.argument("log", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--stability", type=float, default=0.25, show_default=True, help="Most stability index of a tag's rate.")
@click.option("--colours", type=float, default=1.0, show_default=True, help="Most spreads a band's mean may move.")
@click.option("--discrepancy", type=float, default=0.3, show_default=True, help="Most mean discrepancy of the chips.")
def drift_command(log: Path, as_json: bool, stability: float, colours: float, discrepancy: float) -> None:
    """Say what of the last run in LOG, of amazon_tags predict --monitor LOG, moved away from the training chips.

    Ends with exit code 10 if anything moved past its limit.

    Example: amazon_tags drift monitor.jsonl
    """
    from amazon_tags.prediction.drift import DriftLimits, drift_text, find_drift

    limits = DriftLimits(stability, colours, discrepancy)
    report = find_drift(log, limits)
    emit(json.dumps(report.to_json(), indent=2) + "\n" if as_json else drift_text(log, report, limits))
    if report.moved:
        sys.exit(DRIFTED)

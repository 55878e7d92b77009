"""`amazon_tags report`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("report")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
@click.option("-o", "--output", required=True, type=options.OUTPUT, help="The HTML page to write.")
@click.option(
    "--chips", type=options.EXISTING, help="The training chips, to show the names and pictures of the worst ones."
)
@click.option("--curve", type=options.FILE, help="Also show the learning curve of this file, which curve -o wrote.")
@click.option("--monitor", type=options.FILE, help="Also show the drift of the runs in this log of predict --monitor.")
@click.option("--runs", type=options.FOLDER, help="Also show the runs of a retraining job, whose folder this is.")
@options.JOBS
def report_command(
    folder: Path | None,
    output: Path,
    chips: Path | None,
    curve: Path | None,
    monitor: Path | None,
    runs: Path | None,
    jobs: int,
) -> None:
    """Write an HTML page on BUNDLE, or on a registry and its current model.

    Shows the curves and figures of each tag, with a slider for its threshold, confusions, calibration, members and
    the worst training chips. Moved thresholds can be saved as a file for decide --decision. The page opens from disk.
    Without BUNDLE, the model inside the package is shown.

    Example: amazon_tags report model -o report.html
    """
    from amazon_tags.files import preflight
    from amazon_tags.review.report import ReportSources, write_report

    catch_signals()
    sources = ReportSources(chips, curve, monitor, runs, jobs)
    preflight.refuse_outputs([output], sources.files())
    write_report(folder, output, sources)

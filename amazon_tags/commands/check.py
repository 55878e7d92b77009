"""`amazon_tags check`."""

import sys
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import FAILURE, emit
from amazon_tags.signals import catch_signals


@click.command("check")
@click.argument("table", type=options.EXISTING)
@click.option("--like", type=options.FILE, help="A sample submission; TABLE must contain exactly its rows.")
@click.option("--repair", type=options.OUTPUT, help="Write a repaired copy of TABLE to this file.")
@click.option("--dry-run", is_flag=True, help="Say what a repaired copy would contain, and write nothing.")
@options.JOIN_ROWS
@options.LABELS
def check_command(
    table: Path, like: Path | None, repair: Path | None, dry_run: bool, join_rows: bool, space: str
) -> None:
    """Check a TABLE of tags, or a submission, against the labels and the rules of the label space.

    Prints each kind of problem with its count and its first place. Ends with exit code 1 if there are problems or, with
    --repair or --dry-run, if some cannot be repaired: a repaired copy never loses a tag, and leaves as it stands what
    can be mended in more than one way.

    Example: amazon_tags check submission.csv --like sample_submission_v2.csv
    """
    from amazon_tags import progress
    from amazon_tags.files import preflight
    from amazon_tags.tables import labels
    from amazon_tags.tables.check import check_table, report_text

    catch_signals()
    if repair and not dry_run:
        preflight.refuse_outputs([repair], [table, *filter(None, [like])])
    report = check_table(
        table,
        labels.choose(space, table),
        like=like,
        join_rows=join_rows,
        repaired=None if dry_run else repair,
    )
    for remark in report.remarks:
        progress.say(f"{table}: {remark}")
    repairs = bool(repair) or dry_run
    emit(report_text(table, report, repair=repairs))
    if report.left if repairs else report.findings:
        sys.exit(FAILURE)

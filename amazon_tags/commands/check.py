"""`amazon_tags check`."""

import sys
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import FAILURE, emit
from amazon_tags.signals import catch_signals


@click.command("check")
@click.argument("table", type=options.FILE)
@click.option("--like", type=options.FILE, help="A sample submission; TABLE must contain exactly its rows.")
@click.option("--repair", type=options.OUTPUT, help="Write a repaired copy of TABLE to this file.")
@options.LABELS
def check_command(table: Path, like: Path | None, repair: Path | None, space: str) -> None:
    """Check a TABLE of labels, or a submission, against the rules of the label space.

    Prints each kind of error with its count and its first chip. Ends with exit code 1 if there are errors and no
    --repair.

    Example: amazon_tags check submission.csv --like sample_submission_v2.csv
    """
    from amazon_tags.files import preflight
    from amazon_tags.tables import labels
    from amazon_tags.tables.check import check_table, findings_text

    catch_signals()
    if repair:
        preflight.refuse_outputs([repair], [table, *filter(None, [like])])
    findings = check_table(table, labels.choose(space, table), like=like, repaired=repair)
    emit(findings_text(table, findings, repaired=repair))
    if findings and not repair:
        sys.exit(FAILURE)

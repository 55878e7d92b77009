"""`amazon_tags check`."""

import sys
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import FAILURE, emit
from amazon_tags.signals import catch_signals


@click.command("check")
@click.argument("table", type=options.FILE)
@click.option("--like", type=options.FILE, help="A sample submission; the table must have its rows, all and no others.")
@click.option("--repair", type=options.OUT, help="Write a mended copy here.")
@options.LABELS
def check_command(table: Path, like: Path | None, repair: Path | None, space: str) -> None:
    """Hold a TABLE of labels, or a submission, against the label space's rules.

    Ends with exit code 1 if anything is wrong, and says how often and where first.

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

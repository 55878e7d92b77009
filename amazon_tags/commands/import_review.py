"""`amazon_tags import-review`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("import-review")
@click.argument("export", type=options.FILE)
@options.TABLE_OUTPUT
@options.LABELS
def import_review_command(export: Path, output: Path | None, space: str) -> None:
    """Turn an EXPORT of Label Studio (JSON) into corrections, which retrain takes.

    The tasks must be those of amazon_tags review --export label-studio. Each annotation says of every label whether it
    holds; tasks without one are left out.

    Example: amazon_tags import-review project.json -o corrections.csv
    """
    from amazon_tags.review.label_studio import import_review

    catch_signals()
    import_review(export, output, space=space)

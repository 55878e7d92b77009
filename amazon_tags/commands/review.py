"""`amazon_tags review`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands import options
from amazon_tags.errors import need_quality
from amazon_tags.signals import catch_signals

if TYPE_CHECKING:
    from amazon_tags.review.exports import ExportFormat
    from amazon_tags.review.orders import Order


@click.command("review")
@click.argument("scores", type=options.FILE)
@options.CHIPS
@click.option("-o", "--output", required=True, type=options.OUTPUT, help="The page, or the folder of --export.")
@click.option(
    "--table",
    type=options.EXISTING,
    help="The label table whose tags are reviewed; SCORES must be out of fold. Without it, the predicted tags are.",
)
@click.option(
    "--member",
    "members",
    multiple=True,
    type=options.FILE,
    help="The score table of another model, or of a member, on the same chips; may be repeated.",
)
@click.option(
    "--order",
    type=click.Choice(["worth", "errors", "cleanlab", "expected", "disagreement", "rare"]),
    default="worth",
    show_default=True,
    help="Which chips come first; worth joins all that is known. cleanlab needs the extra quality.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="Number of chips.")
@click.option(
    "--groups",
    type=options.FILE,
    help="A CSV of image_name,group, as amazon_tags leaks writes it: one chip of a group is shown. Without it, "
    "near-duplicates are found among the chips that are shown.",
)
@click.option(
    "--export",
    "export_format",
    type=click.Choice(["fiftyone", "label-studio", "lightly"]),
    help="Write a folder that this program imports, instead of a page.",
)
@click.option(
    "--decision",
    type=options.FILE,
    help="Decide the predicted tags by this file, which amazon_tags tune wrote, instead of the model's decision.",
)
@options.MODEL
@options.JOIN_ROWS
@options.LABELS
@options.BANDS
@options.LEVELS
@options.JOBS
def review_command(
    scores: Path,
    chips: tuple[Path, ...],
    output: Path,
    table: Path | None,
    members: tuple[Path, ...],
    order: "Order",
    limit: int,
    groups: Path | None,
    export_format: "ExportFormat | None",
    decision: Path | None,
    model: Path | None,
    join_rows: bool,
    space: str,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Write a page to correct the tags of the CHIPS of which a correction is worth most.

    SCORES is a CSV or Parquet table. The page opens from disk, is used by keys, keeps the answers in the browser and
    exports corrections.csv, which retrain takes.

    Example: amazon_tags review model.scores.csv chips/ --table labels.csv -o review.html
    """
    if order == "cleanlab":
        need_quality()
    from amazon_tags.review.chips_to_review import ReviewTables
    from amazon_tags.review.queue import QueueOptions
    from amazon_tags.review.review import write_review
    from features.images.layout import Layout

    catch_signals()
    tables = ReviewTables(scores, table, members, decision, model, space, join_rows)
    queue = QueueOptions(order, limit, groups, Layout(bands, levels), jobs)
    write_review(tables, chips, output, options=queue, export_format=export_format)

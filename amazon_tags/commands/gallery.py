"""`amazon_tags gallery`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("gallery")
@click.argument("scores", type=options.FILE)
@options.CHIPS
@click.option("-o", "--output", "page", required=True, type=options.OUTPUT, help="The page to write.")
@click.option(
    "--decision",
    type=options.FILE,
    help="Decide the tags by this file, which amazon_tags tune wrote, instead of the model's decision.",
)
@options.MODEL
@click.option(
    "--overlays",
    type=options.FOLDER,
    help="Also show the pictures of this folder, which amazon_tags inspect explain --overlays wrote.",
)
@options.BANDS
@options.LEVELS
@options.JOBS
def gallery_command(
    scores: Path,
    chips: tuple[Path, ...],
    page: Path,
    decision: Path | None,
    model: Path | None,
    overlays: Path | None,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Write a page to look through CHIPS by their tags and SCORES (CSV or Parquet), which opens from disk.

    More than 500 chips need a folder beside the page, gallery.files for gallery.html.

    Example: amazon_tags gallery scores.csv chips/ -o gallery.html
    """
    from amazon_tags.review.gallery import GalleryOptions, write_gallery
    from features.images.layout import Layout

    catch_signals()
    write_gallery(scores, chips, page, GalleryOptions(decision, model, overlays, Layout(bands, levels), jobs))

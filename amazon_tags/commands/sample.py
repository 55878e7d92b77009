"""`amazon_tags sample`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("sample")
@click.argument("folder", type=options.OUTPUT)
@click.option(
    "-n", "count", type=click.IntRange(1, 1_000_000), default=12, show_default=True, help="Number of chips to render."
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed; the same seed gives equal chips."
)
@click.option(
    "--like",
    type=options.FILE,
    help="A label table of the competition: render its folders, with tags as frequent as there.",
)
@click.option(
    "--bands",
    type=click.Choice(["3", "8", "13"]),
    default="3",
    show_default=True,
    help="Number of bands: 3 for JPGs; 8 for GeoTIFFs with SuperDove's, 13 with Sentinel-2's, named in the files.",
)
@options.JOBS
def sample_command(folder: Path, count: int, seed: int, like: Path | None, bands: str, jobs: int) -> None:
    """Render chips and labels.csv into FOLDER, for first trials.

    The chips are drawings, not satellite images, and are marked as such.

    Example: amazon_tags sample chips/
    """
    from amazon_tags.datasets import sample, sample_competition

    catch_signals()
    if like and bands != "3":
        raise click.UsageError("--like renders the competition's JPGs; leave out --bands or --like.")
    if like:
        total = sample_competition.write_competition(folder, like, count, seed=seed, jobs=jobs)
        summary = f"{total} rendered chips in the competition's layout"
    else:
        sample.write(folder, count, seed=seed, bands=int(bands))
        summary = f"{count} rendered chips and labels.csv"
    click.echo(f"{folder}: {summary}", err=True)

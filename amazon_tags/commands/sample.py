"""`amazon_tags sample`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("sample")
@click.argument("folder", type=options.OUT)
@click.option("-n", "count", type=click.IntRange(1, 1_000_000), default=12, show_default=True, help="How many chips.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same chips.")
@click.option(
    "--like",
    type=options.FILE,
    help="A label table of the competition: render its layout, tags mixed as there, and test chips in proportion.",
)
@options.JOBS
def sample_command(folder: Path, count: int, seed: int, like: Path | None, jobs: int) -> None:
    """Render chips for trying things out into FOLDER, with labels.csv; they are no satellite images and say so.

    Example: amazon_tags sample chips/
    """
    from amazon_tags.datasets import sample, sample_competition

    catch_signals()
    if like:
        total = sample_competition.write_competition(folder, like, count, seed=seed, jobs=jobs)
        told = f"{total} rendered chips in the competition's layout"
    else:
        sample.write(folder, count, seed=seed)
        told = f"{count} rendered chips and labels.csv"
    click.echo(f"{folder}: {told}", err=True)

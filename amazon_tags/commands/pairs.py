"""`amazon_tags pairs`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("pairs")
@click.argument("jpgs", type=click.Path(exists=True, path_type=Path))
@click.argument("tifs", type=click.Path(exists=True, path_type=Path))
@options.TABLE_OUTPUT
@options.JOBS
def pairs_command(jpgs: Path, tifs: Path, output: Path | None, jobs: int) -> None:
    """Compare the JPG and the TIF of each name: do they show the same place, at which shift, with which band order?

    Example: amazon_tags pairs train-jpg/ train-tif-v2/ -o pairs.csv
    """
    from amazon_tags.datasets.pairs import compare_pairs, pairs_text, write_pairs
    from amazon_tags.files import atomic, preflight

    catch_signals()
    preflight.refuse_outputs([output] if output else [], [jpgs, tifs])
    pairs = compare_pairs([jpgs], [tifs], jobs=jobs)
    with atomic.atomic_text(output) as stream:
        write_pairs(stream, pairs)
    click.echo(pairs_text(pairs), err=True)

"""`amazon_tags pairs`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("pairs")
@click.argument("jpgs", type=click.Path(exists=True, path_type=Path))
@click.argument("tifs", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=options.OUT, help="Write the table here instead of to stdout.")
@options.JOBS
def pairs_command(jpgs: Path, tifs: Path, output: Path | None, jobs: int) -> None:
    """Say of the chips that JPGS and TIFS both hold whether they show one place, how far apart, and in which bands.

    Example: amazon_tags pairs train-jpg/ train-tif-v2/ -o pairs.csv
    """
    from amazon_tags.datasets.pairs import compare_pairs, pairs_text, write_pairs
    from amazon_tags.files import atomic, preflight

    catch_signals()
    preflight.refuse_outputs([output] if output else [], [jpgs, tifs])
    found = compare_pairs([jpgs], [tifs], jobs=jobs)
    with atomic.atomic_text(output) as stream:
        write_pairs(stream, found)
    click.echo(pairs_text(found), err=True)

"""`amazon_tags leaks`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("leaks")
@options.CHIPS
@click.option("-o", "--output", type=options.OUT, help="Write the table here instead of to stdout.")
@click.option("--mosaics", type=options.OUT, help="Also draw each mosaic of neighbours into this folder.")
@options.JOBS
def leaks_command(chips: tuple[Path, ...], output: Path | None, mosaics: Path | None, jobs: int) -> None:
    """Find copies and neighbours among CHIPS: what folds must not tear apart.

    Writes image_name, group, copy_of, mosaic, row and column; train and tune take it as --groups. Neighbours are found
    by their edges, among all pairs of chips.

    Example: amazon_tags leaks chips/ -o groups.csv --mosaics mosaics
    """
    from amazon_tags.datasets.leaks import draw_mosaics, find_leaks, leaks_text, write_leaks
    from amazon_tags.files import atomic, preflight

    catch_signals()
    preflight.refuse_outputs([output] if output else [], chips)
    if mosaics:
        preflight.refuse_filled(mosaics)
    found = find_leaks(chips, jobs=jobs)
    if mosaics:
        draw_mosaics(mosaics, found)
    with atomic.atomic_text(output) as stream:
        write_leaks(stream, found)
    click.echo(leaks_text(found), err=True)

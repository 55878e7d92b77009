"""The commands about chips from which nothing is learnt yet. As in `cli`, imports are late."""

from pathlib import Path

import click

from amazon_tags import options, process


@click.command()
@options.CHIPS
@click.option("-o", "--output", type=options.OUT, help="Write the table here instead of to stdout.")
@click.option("--mosaics", type=options.OUT, help="Also draw each mosaic of neighbours into this folder.")
@options.JOBS
def leaks(chips: tuple[Path, ...], output: Path | None, mosaics: Path | None, jobs: int) -> None:
    """Find copies and neighbours among CHIPS: what folds must not tear apart.

    Writes image_name, group, copy_of, mosaic, row and column; train and tune take it as --groups. Neighbours are found
    by their edges, among all pairs of chips.

    Example: amazon_tags leaks chips/ -o groups.csv --mosaics mosaics
    """
    from amazon_tags import files, leaks

    process.catch_signals()
    files.refuse_outputs([output] if output else [], chips)
    if mosaics:
        files.refuse_filled(mosaics)
    found = leaks.run(chips, jobs=jobs)
    if mosaics:
        leaks.draw(mosaics, found)
    with files.text(output) as stream:
        leaks.write(stream, found)
    click.echo(leaks.text(found), err=True)


@click.command()
@click.argument("jpgs", type=click.Path(exists=True, path_type=Path))
@click.argument("tifs", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=options.OUT, help="Write the table here instead of to stdout.")
@options.JOBS
def pairs(jpgs: Path, tifs: Path, output: Path | None, jobs: int) -> None:
    """Say of the chips that JPGS and TIFS both hold whether they show one place, how far apart, and in which bands.

    Example: amazon_tags pairs train-jpg/ train-tif-v2/ -o pairs.csv
    """
    from amazon_tags import files, pairs

    process.catch_signals()
    files.refuse_outputs([output] if output else [], [jpgs, tifs])
    found = pairs.run([jpgs], [tifs], jobs=jobs)
    with files.text(output) as stream:
        pairs.write(stream, found)
    click.echo(pairs.text(found), err=True)


@click.command()
@click.argument("folder", type=options.OUT)
@click.option("-n", "count", type=click.IntRange(1, 1_000_000), default=12, show_default=True, help="How many chips.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The same seed, the same chips.")
@click.option(
    "--like",
    type=options.FILE,
    help="A label table of the competition: render its layout, tags mixed as there, and test chips in proportion.",
)
@options.JOBS
def sample(folder: Path, count: int, seed: int, like: Path | None, jobs: int) -> None:
    """Render chips for trying things out into FOLDER, with labels.csv; they are no satellite images and say so.

    Example: amazon_tags sample chips/
    """
    from amazon_tags import rehearsal, sample

    process.catch_signals()
    if like:
        told = (
            f"{rehearsal.write(folder, like, count, seed=seed, jobs=jobs)} rendered chips in the competition's layout"
        )
    else:
        sample.write(folder, count, seed=seed)
        told = f"{count} rendered chips and labels.csv"
    click.echo(f"{folder}: {told}", err=True)

"""`amazon_tags leaks`."""

from pathlib import Path

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.signals import catch_signals


@click.command("leaks")
@options.CHIPS
@options.TABLE_OUTPUT
@click.option("--mosaics", type=options.OUTPUT, help="Also draw each mosaic of neighbours into this folder.")
@click.option(
    "--backbone",
    metavar="FILE",
    callback=backbone_options.check_own_backbone,
    help="Also compare the vectors of this .onnx or .xml (OpenVINO) file, which has a TOML file beside it, or of "
    "hub:PRESET (KerasHub).",
)
@backbone_options.DOWNLOAD
@click.option(
    "--similarity",
    type=click.FloatRange(0.5, 1),
    default=0.98,
    show_default=True,
    help="With --backbone: the least cosine of the vectors of two chips that belong to one group.",
)
@options.BANDS
@options.LEVELS
@options.ON_ERROR
@options.ERRORS
@options.JOBS
def leaks_command(
    chips: tuple[Path, ...],
    output: Path | None,
    mosaics: Path | None,
    backbone: str | None,
    download: bool,
    similarity: float,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    jobs: int,
) -> None:
    """Find copies and neighbours among CHIPS, which must stay in one fold of cross-validation.

    Writes a CSV of image_name, group, copy_of, mosaic, row and column; train and tune read it as --groups. All pairs of
    chips are compared, by content and by their edges, and with --backbone by vectors, which finds rotated copies.

    Example: amazon_tags leaks chips/ -o groups.csv --mosaics mosaics
    """
    from amazon_tags.datasets.alike_chips import VectorSearch
    from amazon_tags.datasets.leaks import draw_mosaics, find_leaks, leaks_text, write_leaks
    from amazon_tags.files import atomic, preflight
    from amazon_tags.training.hub_presets import backbone_path, download_preset
    from features.images.layout import Layout

    catch_signals()
    unusable = errors if on_error == "skip" else None
    preflight.refuse_outputs([path for path in (output, unusable) if path], chips)
    if mosaics:
        preflight.refuse_filled(mosaics)
    if download and backbone:
        download_preset(backbone)
    search = VectorSearch(backbone_path(backbone), similarity) if backbone else None
    leaks = find_leaks(chips, jobs=jobs, layout=Layout(bands, levels), unusable=unusable, search=search)
    if mosaics:
        draw_mosaics(mosaics, leaks)
    with atomic.atomic_text(output) as stream:
        write_leaks(stream, leaks)
    click.echo(leaks_text(leaks), err=True)
    options.exit_after(leaks.unusable, len(leaks.paths) + leaks.unusable, "skipped", errors)

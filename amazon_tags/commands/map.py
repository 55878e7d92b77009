"""`amazon_tags map`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("map")
@click.argument("scenes", nargs=-1, required=True, type=options.FILE)
@click.option("-o", "--output", type=options.OUTPUT, required=True, help="The map: a .parquet, .geojson or .gpkg file.")
@click.option(
    "--cog",
    type=options.OUTPUT,
    help="Also write the scores as a Cloud Optimized GeoTIFF: a pixel a polygon, a band a tag.",
)
@click.option("--style", type=options.OUTPUT, help="Also write a QGIS style (.qml) that colours polygons by tag.")
@options.MODEL
@click.option(
    "--ground",
    type=click.FloatRange(0, min_open=True),
    help="Side of a window on the ground in metres; without it, that of the chips of the model's label space: 768 for "
    "planet.",
)
@click.option("--pixels", type=click.IntRange(1, 4096), help="Side of a window in the scene's pixels, not metres.")
@click.option(
    "--overlap",
    type=click.FloatRange(0, 0.9),
    default=0.0,
    show_default=True,
    help="Share of a window's side that the next window covers again; scores are averaged over the windows at a place.",
)
@click.option(
    "--edges",
    type=click.Choice(["pad", "drop"]),
    default="pad",
    show_default=True,
    help="At the right and lower edge: let windows lie over it, where the scene is mirrored, or drop those that do not "
    "fit.",
)
@click.option(
    "--min-valid",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Leave out windows of which a smaller share holds data, by nodata, masks, alpha and the scene's edge.",
)
@click.option(
    "--bands",
    metavar="NAMES|NUMBERS",
    callback=options.check_bands,
    help="Names of the scene's bands in its order, such as blue,green,red,nir; or the numbers of the model's bands in "
    "the scene, such as 3,2,1.",
)
@options.LEVELS
@options.VIEWS
@options.PRECISION
@options.DEVICE
@options.ON_ERROR
@options.ERRORS
@options.CHECKPOINT
@options.JOBS
def map_command(
    scenes: tuple[Path, ...],
    output: Path,
    cog: Path | None,
    style: Path | None,
    model: Path | None,
    ground: float | None,
    pixels: int | None,
    overlap: float,
    edges: str,
    min_valid: float,
    bands: tuple[str, ...] | None,
    levels: str,
    views: int,
    precision: str,
    device: str,
    on_error: str,
    errors: Path,
    checkpoint: Path | None,
    jobs: int,
) -> None:
    """Tag a scene window by window and write a map: a polygon with tags and scores for each window.

    SCENES is a GeoTIFF or a JPG, or several GeoTIFFs on one grid of pixels, which are read as one scene.

    Example: amazon_tags map scene.tif -o tags.parquet
    """
    from amazon_tags.maps.map_scenes import MapOptions, map_scenes
    from amazon_tags.maps.plan import MapSettings
    from amazon_tags.prediction.tag_chips import TagOptions
    from features.images.layout import Layout

    catch_signals()
    if ground is not None and pixels is not None:
        raise click.UsageError("--ground and --pixels both state the side of a window; use one of them.")
    settings = MapSettings(ground, pixels, overlap, edges, min_valid)  # type: ignore[arg-type]
    tagging = TagOptions(None, views, precision, device, on_error, checkpoint, jobs, Layout(bands, levels))
    listed = errors if on_error == "skip" else None
    how = MapOptions(settings, tagging, cog, style)
    summary = map_scenes(scenes, output, model=model, options=how, errors=listed)
    options.exit_after(summary.unusable, summary.chips, "skipped", errors)

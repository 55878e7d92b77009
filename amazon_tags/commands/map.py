"""`amazon_tags map`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from amazon_tags.commands import options, shard_options, window_options
from amazon_tags.prediction.shard import Shard
from amazon_tags.signals import catch_signals


@click.command("map")
@click.argument("scenes", nargs=-1, required=True)
@window_options.REMOTE
@click.option("-o", "--output", type=options.OUTPUT, required=True, help="The map: a .parquet, .geojson or .gpkg file.")
@click.option(
    "--cog",
    type=options.OUTPUT,
    help="Also write the scores as a Cloud Optimized GeoTIFF: a pixel a polygon, a band a tag.",
)
@click.option("--style", type=options.OUTPUT, help="Also write a QGIS style (.qml) that colours polygons by tag.")
@click.option("--html", "page", type=options.OUTPUT, help="Also write the map as one HTML page for any browser.")
@click.option("--stac", type=options.OUTPUT, help="Also write a STAC item (.json) of scene, files and model.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the scene was taken, in UTC, for --stac.",
)
@options.MODEL
@shard_options.CHECKPOINT
@shard_options.SHARD
@shard_options.ENGINE
@shard_options.SCHEDULER
@shard_options.INSECURE
@window_options.of_scenes
def map_command(
    scenes: tuple[str, ...],
    remote: bool,
    output: Path,
    cog: Path | None,
    style: Path | None,
    page: Path | None,
    stac: Path | None,
    date: datetime | None,
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
    shard: Shard | None,
    engine: str,
    scheduler: str | None,
    insecure: bool,
    jobs: int,
) -> None:
    """Tag a scene window by window and write a map: a polygon with tags and scores for each window.

    SCENES is a GeoTIFF or a JPG, or several GeoTIFFs on one grid of pixels, which are read as one scene. With --remote
    they may be URLs.

    Example: amazon_tags map scene.tif -o tags.parquet
    """
    from amazon_tags.maps.map_scenes import MapOptions, map_scenes
    from amazon_tags.maps.plan import MapSettings
    from amazon_tags.prediction.tag_chips import TagOptions
    from features.images.layout import Layout

    catch_signals()
    sources = window_options.check_scenes(scenes, remote=remote)
    window_options.refuse_two_sizes(ground, pixels)
    settings = MapSettings(ground, pixels, overlap, edges, min_valid)  # type: ignore[arg-type]
    tagging = TagOptions(None, views, precision, device, on_error, checkpoint, jobs, Layout(bands, levels))
    listed = errors if on_error == "skip" else None
    if bool(stac) != bool(date):
        raise click.UsageError("--stac and --date belong together: an item states when its scene was taken.")
    cluster = shard_options.read_cluster(engine, scheduler, insecure=insecure, workers=jobs, shard=shard)
    if shard or cluster:
        shard_options.need_checkpoint(checkpoint, "--shard" if shard else "--engine dask")
    how = MapOptions(settings, tagging, cog, style, shard, page, stac, date and date.replace(tzinfo=UTC))
    if cluster:
        from amazon_tags.maps.dask_map import map_on_cluster

        summary = map_on_cluster(sources, output, cluster, model=model, options=how, errors=listed)
    else:
        summary = map_scenes(sources, output, model=model, options=how, errors=listed)
    options.exit_after(summary.unusable, summary.chips, "skipped", errors)

"""`amazon_tags change`."""

from pathlib import Path

import click

from amazon_tags.commands import options, window_options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals


@click.command("change")
@click.argument("before", type=options.EXISTING)
@click.argument("after", type=options.EXISTING)
@click.option("-o", "--output", type=options.OUTPUT, required=True, help="A .parquet, .geojson or .gpkg file.")
@options.MODEL
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Least probability of a change that is an alert; equal pictures of both dates never reach more than 0.25.",
)
@click.option(
    "--max-cloud",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Leave out windows whose tags cloudy, partly_cloudy and haze are more probable together, at either date.",
)
@window_options.GROUND
@window_options.PIXELS
@window_options.OVERLAP
@window_options.EDGES
@window_options.MIN_VALID
@window_options.BANDS
@window_options.LEVELS
@options.VIEWS
@options.PRECISION
@options.DEVICE
@options.ON_ERROR
@options.ERRORS
@options.JOBS
def change_command(
    before: Path,
    after: Path,
    output: Path,
    model: Path | None,
    min_probability: float,
    max_cloud: float,
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
    jobs: int,
) -> None:
    """Compare two scenes of the same ground, print which tags appeared and vanished, and write a polygon a window.

    BEFORE and AFTER are a GeoTIFF or a JPG each, or folders of GeoTIFFs on one grid of pixels. The alerts are CSV, the
    most probable first.

    Example: amazon_tags change 2023.tif 2024.tif -o change.parquet
    """
    from amazon_tags.maps.alerts import alerts_csv
    from amazon_tags.maps.change_scenes import ChangeOptions, change_scenes
    from amazon_tags.maps.compare_scenes import ChangeSettings
    from amazon_tags.maps.open_scenes import scene_files
    from amazon_tags.maps.plan import MapSettings
    from amazon_tags.prediction.tag_chips import TagOptions
    from features.images.layout import Layout

    catch_signals()
    emit("")  # reports a closed stdout before the work, not after it
    window_options.refuse_two_sizes(ground, pixels)
    windows = MapSettings(ground, pixels, overlap, edges, min_valid)  # type: ignore[arg-type]
    tagging = TagOptions(None, views, precision, device, on_error, None, jobs, Layout(bands, levels))
    chosen = ChangeOptions(ChangeSettings(windows, max_cloud, min_probability), tagging)

    dates = (scene_files(before), scene_files(after))
    listed = errors if on_error == "skip" else None
    summary = change_scenes(dates, output, model=model, options=chosen, errors=listed)
    emit(alerts_csv(summary.alerts))
    options.exit_after(summary.windows.unusable, summary.windows.chips, "skipped", errors)

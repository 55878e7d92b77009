"""What `amazon_tags change` does: open the scenes of two dates, compare them by a model, and write the changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from amazon_tags.maps import change_page, outputs
from amazon_tags.maps.alerts import Alert, find_alerts
from amazon_tags.maps.columns import change_columns
from amazon_tags.maps.compare_scenes import ChangeSettings, compare_scenes
from amazon_tags.maps.map_scenes import window_predictor
from amazon_tags.maps.open_scenes import open_scenes
from amazon_tags.maps.outputs import choose_format, write_cells
from amazon_tags.model import bundle, registry
from amazon_tags.prediction.tag_chips import TagOptions, TagSummary


@dataclass(frozen=True)
class ChangeOptions:
    """How to compare scenes, and what to write beside the polygons.

    Attributes:
        settings: The windows, and what an alert is.
        tagging: How to tag the windows; `like` and `checkpoint` are not used.
        page: An HTML page that shows the changes.
    """

    settings: ChangeSettings = field(default_factory=ChangeSettings)
    tagging: TagOptions = field(default_factory=TagOptions)
    page: Path | None = None


@dataclass(frozen=True)
class ChangeSummary:
    """The alerts by falling odds, and the numbers of windows of both dates together."""

    alerts: list[Alert]
    windows: TagSummary


def change_scenes(
    dates: tuple[Sequence[Path], Sequence[Path]],
    output: Path,
    *,
    model: Path | None = None,
    options: ChangeOptions | None = None,
    errors: Path | None = None,
) -> ChangeSummary:
    """Compare two dates, write a polygon with its changes for each cell, and return the alerts.

    Args:
        dates: The files of the scene before and after: a GeoTIFF or a JPG each, or several GeoTIFFs on one grid.
        output: The table of changes, in the format of its suffix; see `outputs.FORMATS`.
        model: A bundle, or a registry, whose current model is used; None is the model inside the package.
        options: How to compare.
        errors: The file for windows that cannot be used, where `on_error` is `skip`.

    Raises:
        BundleError: The model is damaged or of another format.
        ChipError: A scene is damaged or not of the model's bands; or a window cannot be used, and `on_error` is `fail`.
        OSError: A file cannot be read or written.
        ValueError: The scenes cannot be compared as the options say, or an output would replace an input.
    """
    options = options or ChangeOptions()
    settings, tagging = options.settings, options.tagging
    choose_format(output)
    if options.page:
        outputs.refuse_suffix(options.page, outputs.PAGE_SUFFIXES, "a page")
    written = [path for path in (output, options.page, errors) if path]
    preflight.refuse_outputs(written, [path for files in dates for path in files])

    with (
        registry.hold_model(model or bundle.DEFAULT) as folder,
        open_scenes(dates[0], jobs=tagging.jobs) as before,
        open_scenes(dates[1], jobs=tagging.jobs) as after,
    ):
        loaded = bundle.load(folder, jobs=tagging.jobs, precision=tagging.precision, device=tagging.device)
        loaded = loaded.reading(tagging.layout)
        predictor = partial(window_predictor, tagging=tagging)
        result = compare_scenes(before, after, loaded, settings, predictor=predictor, jobs=tagging.jobs)
        cells = result.cells
        write_cells(output, cells.before, change_columns(cells, loaded.space, settings.min_probability))
        alerts = find_alerts(cells, loaded.space, settings.min_probability)
        if options.page:
            page = change_page.encode(result, alerts, loaded, min_probability=settings.min_probability)
            atomic.write_bytes(options.page, page)

    if errors:  # even an empty list, or the list of an earlier run would stay
        atomic.write_json_lines(errors, result.errors)
    progress.say(
        f"{len(cells.before.boxes):,} windows compared: {len(alerts):,} changes of tags have a probability of at least "
        f"{settings.min_probability:g}, if both dates are independent"
    )
    return ChangeSummary(alerts, TagSummary(result.windows, len(result.errors)))

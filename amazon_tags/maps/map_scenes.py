"""What `amazon_tags map` does: open scenes, tag their windows with a model, and write the map."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from amazon_tags.maps import map_page, map_stac, outputs
from amazon_tags.maps.open_scenes import open_scenes
from amazon_tags.maps.outputs import choose_format, write_map
from amazon_tags.maps.plan import MapSettings, plan_windows, resolve_bands
from amazon_tags.maps.stretch import resolve_levels
from amazon_tags.maps.tag_scene import Predict, tag_scene
from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.checkpoint import predict_with_checkpoint, score_shard
from amazon_tags.prediction.predict import TaggedChips, predict_chips
from amazon_tags.prediction.predict_shard import report_shard
from amazon_tags.prediction.run_key import RunKey, run_key
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.tag_chips import TagOptions, TagSummary
from amazon_tags.prediction.unusual import mark_unusual
from ensemble.arrays import Floats
from features.scenes.remote import RemoteFile
from features.scenes.scene import Scene
from features.scenes.windows import Windows

ScoreWindows = Callable[[Path, RunKey], None]


@dataclass(frozen=True)
class MapPlan:
    """A scene, the model that reads it, its windows, and the share of each one's pixels that hold data (windows,)."""

    scene: Scene
    model: Bundle
    windows: Windows
    valid: Floats


@dataclass(frozen=True)
class MapOptions:
    """How to map scenes, and what to write beside the polygons.

    Attributes:
        settings: The windows.
        tagging: How to tag them; `like` is not used.
        cog: A Cloud Optimized GeoTIFF of the scores.
        style: A style of QGIS for the polygons.
        shard: Score only this share of the windows into the checkpoint of `tagging`, and write nothing else.
        page: An HTML page that shows the map.
        stac: A STAC item of the scene, the files and the model; needs `date`.
        date: When the scene was taken.
    """

    settings: MapSettings = field(default_factory=MapSettings)
    tagging: TagOptions = field(default_factory=TagOptions)
    cog: Path | None = None
    style: Path | None = None
    shard: Shard | None = None
    page: Path | None = None
    stac: Path | None = None
    date: datetime | None = None

    @property
    def files(self) -> dict[str, Path]:
        """The files beside the polygons, by what they are."""
        named = {"cog": self.cog, "style": self.style, "page": self.page, "stac": self.stac}
        return {name: path for name, path in named.items() if path}


def map_scenes(
    scenes: Sequence[Path | RemoteFile],
    output: Path,
    *,
    model: Path | None = None,
    options: MapOptions | None = None,
    errors: Path | None = None,
    score_ahead: ScoreWindows | None = None,
) -> TagSummary:
    """Tag the windows of scenes, and write a polygon for each cell to a file; returns the numbers of windows.

    Args:
        scenes: A GeoTIFF or a JPG, or several GeoTIFFs on one grid of pixels, which are joined; GeoTIFFs may be on
            servers.
        output: The map, in the format of its suffix; see `outputs.FORMATS`.
        model: A bundle, or a registry, whose current model is used; None is the model inside the package.
        options: How to map.
        errors: The file for windows that cannot be used, where `on_error` is `skip`.
        score_ahead: Scores windows into the checkpoint by other processes, with the bundle in a folder; what it leaves
            out is scored here.

    Raises:
        BundleError: The model is damaged or of another format.
        ChipError: A scene is damaged or not of the model's bands; or a window cannot be used, and `on_error` is `fail`.
        OSError: A file cannot be read or written.
        RemoteError: A scene cannot be read from its server.
        ValueError: The map cannot be made as the options say, or an output would replace an input.
    """
    options = options or MapOptions()
    tagging = options.tagging
    choose_format(output)
    if options.cog:
        outputs.refuse_suffix(options.cog, outputs.COG_SUFFIXES, "a GeoTIFF")
    if options.style:
        outputs.refuse_suffix(options.style, outputs.STYLE_SUFFIXES, "a QGIS style")
    if options.page:
        outputs.refuse_suffix(options.page, outputs.PAGE_SUFFIXES, "a page")
    if options.stac:
        outputs.refuse_suffix(options.stac, outputs.STAC_SUFFIXES, "a STAC item")
    if options.stac and options.date is None:
        raise ValueError("a STAC item needs the date at which the scene was taken.")
    inputs = [path for path in scenes if isinstance(path, Path)]
    preflight.refuse_outputs([output, *options.files.values(), *([errors] if errors else [])], inputs)

    with registry.hold_model(model or bundle.DEFAULT) as folder, plan_map(scenes, folder, options) as plan:
        scene, loaded, windows = plan.scene, plan.model, plan.windows
        if options.shard:
            _map_shard(windows, loaded, tagging, options.shard)
            progress.say(f"{output} is written by the same command without --shard, when all shards are done")
            return TagSummary(len(windows), 0)
        if score_ahead:
            score_ahead(folder, windows_key(windows, loaded, tagging))

        result = tag_scene(scene, windows, plan.valid, loaded, window_predictor(loaded, tagging))
        write_map(output, result.cells, loaded.space)
        if options.cog:
            outputs.write_cog(options.cog, result.cells, windows.grid, loaded.space)
        if options.style:
            outputs.write_style(options.style, result.cells, loaded.space)
        if options.page:
            atomic.write_bytes(options.page, map_page.encode(result.cells, windows.grid, loaded))
        if options.stac and options.date:
            files = {"map": output, **{name: path for name, path in options.files.items() if name != "stac"}}
            atomic.write_bytes(options.stac, map_stac.encode(options.stac, scene, loaded, files, options.date))

    if errors:  # even an empty list, or the list of an earlier run would stay
        atomic.write_json_lines(errors, result.errors)
    count, mean = len(result.cells.boxes), result.cells.expected_f.mean()
    progress.say(f"{count:,} polygons; expected F {mean:.3f}, as far as the scores are probabilities")
    return TagSummary(len(windows), len(result.errors))


@contextmanager
def plan_map(scenes: Sequence[Path | RemoteFile], folder: Path, options: MapOptions) -> Iterator[MapPlan]:
    """Open scenes and the bundle in a folder, and lay the windows."""
    tagging = options.tagging
    with open_scenes(scenes, jobs=tagging.jobs) as scene:
        model = bundle.load(folder, jobs=tagging.jobs, precision=tagging.precision, device=tagging.device)
        model = resolve_bands(model.reading(tagging.layout), scene)
        (model,) = resolve_levels([model], [scene], jobs=tagging.jobs)
        yield MapPlan(scene, model, *plan_windows(scene, model, options.settings, jobs=tagging.jobs))


def windows_key(windows: Windows, model: Bundle, tagging: TagOptions) -> RunKey:
    """Return the key of a run that scores windows."""
    return run_key(windows, model, views=tagging.views, tolerant=tagging.on_error != "fail")


def _map_shard(windows: Windows, model: Bundle, tagging: TagOptions, shard: Shard) -> None:
    if tagging.checkpoint is None:
        raise ValueError("a shard needs a checkpoint: the folder that all shards write to.")
    key = windows_key(windows, model, tagging)
    scored = score_shard(tagging.checkpoint, windows, model, key, shard, jobs=tagging.jobs)
    report_shard(scored, shard, tagging.checkpoint, len(windows), of="windows")


def window_predictor(model: Bundle, tagging: TagOptions) -> Predict:
    """Return a function that scores windows as `predict` scores chips."""
    predict = partial(predict_with_checkpoint, tagging.checkpoint) if tagging.checkpoint else predict_chips
    training = training_record.read(model.folder)

    def tag(windows: Windows) -> Iterator[TaggedChips]:
        if tagging.checkpoint:
            _ = windows.picture.sha256  # once, before threads ask for it
        tolerant = tagging.on_error != "fail"
        return mark_unusual(
            predict(windows, model, views=tagging.views, tolerant=tolerant, jobs=tagging.jobs), training
        )

    return tag

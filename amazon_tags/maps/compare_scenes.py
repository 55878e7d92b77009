"""Compare two scenes of the same ground: tag the windows that both show, and find the changes of tags."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from amazon_tags import progress
from amazon_tags.maps.calibrated import choose_calibration
from amazon_tags.maps.changed_cells import CLOUDS, ChangedCells, compare_cells
from amazon_tags.maps.plan import MapSettings, plan_windows, resolve_bands
from amazon_tags.maps.stretch import resolve_levels
from amazon_tags.maps.tag_scene import Predict, tag_scene
from amazon_tags.model.bundle import Bundle
from ensemble.arrays import Floats
from features.scenes.aligned import Aligned, align, share_data
from features.scenes.joined import MAX_OFF_GRID
from features.scenes.scene import Scene
from features.scenes.windows import Grid, Windows, data_shares


@dataclass(frozen=True)
class ChangeSettings:
    """How to compare two dates; the values are those of the options of `amazon_tags change`.

    Attributes:
        windows: How to cut both scenes; of their pixels, those count as data that hold data at both dates.
        max_cloud: The largest probability of clouds, from 0 to 1, of a window that is compared.
        min_probability: The least probability of a change that is an alert.
    """

    windows: MapSettings = field(default_factory=MapSettings)
    max_cloud: float = 0.5
    min_probability: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError for a probability that is none."""
        for name in ("max_cloud", "min_probability"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value:g}, but must be from 0 to 1.")


@dataclass(frozen=True)
class ComparedScenes:
    """The changes, how many windows were tagged at both dates together, and those that could not be used."""

    cells: ChangedCells
    grid: Grid
    windows: int
    errors: list[dict[str, str]]


def compare_scenes(
    before: Scene,
    after: Scene,
    model: Bundle,
    settings: ChangeSettings,
    *,
    predictor: Callable[[Bundle], Predict],
    jobs: int = 1,
) -> ComparedScenes:
    """Return the changes of tags between two scenes; what is assumed is reported.

    Args:
        before: The scene of the first date, whose windows are compared.
        after: The scene of the second date, which is laid on the pixels of the first.
        model: Tags windows.
        settings: How to cut and compare.
        predictor: Returns the function that scores windows by a model.
        jobs: Threads.

    Raises:
        ChipError: A scene is damaged or not of the model's bands; or a window cannot be used.
        ValueError: The scenes cannot be aligned, or no window has data and is clear at both dates.
    """
    aligned = align(after, before)
    _say_assumptions(aligned, before, model)
    scenes = (before, aligned.scene)
    models = resolve_levels([resolve_bands(model, scene) for scene in scenes], scenes, jobs=jobs)
    plans, valid = _plan_dates(scenes, models, settings.windows, jobs)

    dates = [
        tag_scene(scene, windows, valid, own, predictor(own))
        for scene, own, windows in zip(scenes, models, plans, strict=True)
    ]
    cells = compare_cells(
        dates[0].cells,
        dates[1].cells,
        model.space,
        calibration=choose_calibration(model),
        max_cloud=settings.max_cloud,
    )
    return ComparedScenes(cells, plans[0].grid, 2 * len(valid), [error for date in dates for error in date.errors])


def _say_assumptions(aligned: Aligned, before: Scene, model: Bundle) -> None:
    """Report what is assumed about the positions, and whether clouds can be told."""
    if aligned.moved is None:
        progress.say(
            f"neither {before} nor {aligned.scene} states a position: pixels of one column and row are taken to show "
            "the same ground"
        )
    elif max(map(abs, aligned.moved)) > MAX_OFF_GRID:
        columns, rows = aligned.moved
        progress.say(
            f"{aligned.scene} lies between the pixels of {before}, and is taken to lie {columns:+.2f} columns and "
            f"{rows:+.2f} rows from where it is"
        )
    if not set(CLOUDS) & set(model.space.names):
        progress.say(f"the model has none of the labels {', '.join(CLOUDS)}, so windows under clouds are compared too")


def _plan_dates(
    scenes: tuple[Scene, Scene], models: Sequence[Bundle], settings: MapSettings, jobs: int
) -> tuple[list[Windows], Floats]:
    """Return the same windows of each date, and the share of each one's pixels that hold data at both (windows,)."""
    plans = [plan_windows(scene, own, settings, jobs=jobs)[0] for scene, own in zip(scenes, models, strict=True)]
    positions = np.intersect1d(plans[0].positions, plans[1].positions)
    dates = [Windows(scene, plans[0].grid, positions) for scene in share_data(*scenes)]

    parts = [data_shares(windows, own.spec, jobs=jobs) for windows, own in zip(dates, models, strict=True)]
    shares = np.min([np.concatenate([np.empty(0), *of_date]) for of_date in parts], axis=0)
    kept = np.flatnonzero((shares >= settings.min_valid) & (shares > 0))
    if not len(kept):
        raise ValueError(
            f"{scenes[0]} and {scenes[1]} share no window with data in {settings.min_valid:.0%} of its pixels; lower "
            "--min-valid, or pass scenes that share more ground."
        )
    if len(kept) < max(map(len, plans)):
        progress.say(
            f"{len(kept):,} windows have data in {settings.min_valid:.0%} of their pixels at both dates at once"
        )
    return [windows.take(kept.tolist()) for windows in dates], shares[kept]

"""Plan a map: how large its windows are, where they lie, and which of them hold enough data to be scored."""

from dataclasses import dataclass

import numpy as np

from amazon_tags import progress
from amazon_tags.model.bundle import Bundle
from amazon_tags.model.ground import Ground, model_ground
from ensemble.arrays import Floats
from features.images.layout import Layout
from features.scenes.ground import pixel_metres
from features.scenes.scene import Scene
from features.scenes.windows import Edges, Grid, Size, Windows, data_shares, lay_grid

MAX_WINDOWS = 1 << 22  # with their scores of 17 labels about 1 GiB


@dataclass(frozen=True)
class MapSettings:
    """How to cut a scene into windows; the values are those of the options of `amazon_tags map`.

    Attributes:
        ground: The side of a window on the ground, in metres; None is that of the model's chips.
        pixels: The side of a window in the scene's pixels, in place of `ground`.
        overlap: The share of a window's side that the next window covers again, from 0 to 0.9.
        edges: `pad`: windows may lie over the right and lower edge; `drop`: all lie inside.
        min_valid: The share of a window's pixels that must hold data, from 0 to 1; other windows are left out.
    """

    ground: float | None = None
    pixels: int | None = None
    overlap: float = 0.0
    edges: Edges = "pad"
    min_valid: float = 0.5


def resolve_bands(model: Bundle, scene: Scene) -> Bundle:
    """Return the model with the names of all bands of the scene, where the user gave the numbers of its own bands.

    Raises:
        ValueError: There are too few or too many numbers, or the scene lacks a band.
    """
    numbers, wanted = model.layout.bands, model.spec.bands
    if not numbers or not all(number.isdecimal() for number in numbers):
        return model
    places, known = [int(number) for number in numbers], range(1, scene.bands + 1)
    if len(places) != len(wanted) or len(set(places)) < len(places) or not set(places) <= set(known):
        raise ValueError(
            f"--bands {','.join(numbers)} must be {len(wanted)} different numbers from 1 to {scene.bands}, for "
            f"{', '.join(wanted)}: these bands of {scene} are read as the model's."
        )
    names = [f"band_{number}" for number in known]
    for place, name in zip(places, wanted, strict=True):
        names[place - 1] = name
    return model.reading(Layout(tuple(names), model.layout.levels))


def plan_windows(scene: Scene, model: Bundle, settings: MapSettings, *, jobs: int = 1) -> tuple[Windows, Floats]:
    """Return the windows that hold enough data, and the share of each one's pixels that do (windows,).

    Reports what the windows are, and how many are left out.

    Raises:
        ChipError: The scene is damaged, or its bands are not those that the model needs.
        ValueError: No window can be made, or none holds enough data.
    """
    if not 0 <= settings.min_valid <= 1:
        raise ValueError(f"min_valid is {settings.min_valid:g}, but must be from 0 to 1.")
    grid = _grid(scene, model, settings)
    windows = Windows(scene, grid, np.arange(grid.count[0] * grid.count[1]))

    parts = []
    with progress.bar("reading", len(windows)) as advance:
        for part in data_shares(windows, model.spec, jobs=jobs):
            parts.append(part)
            advance(len(part))
    shares = np.concatenate(parts)

    kept = np.flatnonzero((shares >= settings.min_valid) & (shares > 0))
    if not len(kept):
        raise ValueError(
            f"{scene} has no window with data in {settings.min_valid:.0%} of its pixels: the fullest of "
            f"{len(windows):,} has {shares.max():.0%}; lower --min-valid, or pass a scene with data."
        )
    if len(kept) < len(windows):
        progress.say(
            f"{len(windows) - len(kept):,} of {len(windows):,} windows are left out, because less than "
            f"{settings.min_valid:.0%} of their pixels hold data, or all have one value"
        )
    return windows.take(kept.tolist()), shares[kept]


def _grid(scene: Scene, model: Bundle, settings: MapSettings) -> Grid:
    """Return the grid of windows, and report their size."""
    window = _window_size(scene, model, settings)
    try:
        grid = lay_grid((scene.width, scene.height), window, overlap=settings.overlap, edges=settings.edges)
    except ValueError as error:
        raise ValueError(f"{scene}: {error}") from error
    if grid.count[0] * grid.count[1] > MAX_WINDOWS:
        raise ValueError(
            f"{scene} would have {grid.count[0] * grid.count[1]:,} windows of {window[0]} x {window[1]} pixels; at "
            f"most {MAX_WINDOWS:,} are mapped, pass a larger --ground or --pixels, or a lower --overlap."
        )
    side = model.spec.side
    resized = "" if window == (side, side) else f", resized to the {side} x {side} that the model takes"
    progress.say(f"{scene}: windows of {window[0]} x {window[1]} pixels{resized}")
    return grid


def _window_size(scene: Scene, model: Bundle, settings: MapSettings) -> Size:
    """Return width and height of a window in pixels."""
    if settings.ground is not None and settings.pixels is not None:
        raise ValueError("ground and pixels both state the side of a window; pass one of them.")
    if settings.pixels is not None:
        return settings.pixels, settings.pixels
    if scene.crs is None:
        if settings.ground is not None:
            raise ValueError(
                f"{scene} states no position on the ground, so that metres cannot be measured; pass --pixels in place "
                "of --ground."
            )
        progress.say(
            f"{scene} states no position on the ground: coordinates are columns and negative rows, and a window has "
            f"the {model.spec.side} pixels that the model takes; pass --pixels if these are not its chips' pixels"
        )
        return model.spec.side, model.spec.side

    ground = _ground(model, settings)
    metres = pixel_metres(scene)
    width, height = (round(ground.metres / size) for size in metres)
    progress.say(
        f"a window shows {ground.metres:g} m of ground, {ground.source}, of pixels of {metres[0]:.4g} x "
        f"{metres[1]:.4g} m"
    )
    return max(1, width), max(1, height)


def _ground(model: Bundle, settings: MapSettings) -> Ground:
    """Return the side of a window on the ground, as the user states it, or else the model."""
    stated = Ground(settings.ground, "as --ground states") if settings.ground is not None else None
    ground = stated or model_ground(model.manifest)
    if ground is None:
        raise ValueError(
            "the model does not state how much ground its chips show; pass the side of a chip by --ground METRES, or "
            "in the scene's pixels by --pixels."
        )
    if not 0 < ground.metres < float("inf"):
        raise ValueError(f"ground is {ground.metres:g}, but must be a positive number of metres.")
    return ground

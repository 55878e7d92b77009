"""The Python interface of prediction: a model that tags files or arrays.

`amazon_tags predict` is for long runs: it streams, resumes and writes files. `Tagger` returns its results in memory.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.maps.compare_scenes import ChangeSettings, compare_scenes
from amazon_tags.maps.open_scenes import open_scenes
from amazon_tags.maps.plan import MapSettings, plan_windows, resolve_bands
from amazon_tags.maps.stretch import resolve_levels
from amazon_tags.maps.tag_scene import Predict, tag_scene
from amazon_tags.model import bundle, registry
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.predict import find_chips, predict_chips, score_chips
from amazon_tags.review.chip_tags import ChipTags, TaggedList
from amazon_tags.review.decided_chips import Reading
from amazon_tags.tables import labels
from ensemble.arrays import Scores
from features.arrays import Chip
from features.images import chips
from features.images.footprint import Box, Point
from features.images.layout import Layout, parse_bands
from features.images.listing import ChipPath, Listing
from features.images.stored import StoredImage
from features.images.views import VIEWS, view

ChipArray = NDArray[np.uint8] | NDArray[np.uint16]  # (chips, height, width, bands)
ChipFiles = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
SceneFiles = ChipFiles

CHIPS_PER_BATCH = 64  # chips resized and scored at a time, so that memory does not grow with the array


@dataclass(frozen=True)
class MapWindow:
    """The result for one window of a scene; with overlap, for a cell as large as the stride.

    Attributes:
        name: its first row and column, such as r256_c0.
        tags: as in `ChipTags`.
        scores: as in `ChipTags`; with overlap, means over the windows that cover the cell.
        expected_f: the expected F-beta of the tags, if the scores are probabilities.
        valid: the share of pixels that hold data.
        box: first column, first row, and the column and row after the last.
        polygon: its corners in the scene's reference system, anticlockwise in a scene with north at the top; columns
            and negative rows in a scene without a position.
    """

    name: str
    tags: list[str]
    scores: dict[str, float]
    expected_f: float
    valid: float
    box: Box
    polygon: tuple[Point, ...]


@dataclass(frozen=True)
class ChangedWindow:
    """What changed in one window of two scenes.

    Attributes:
        name: as in `MapWindow`.
        appeared: the probability of each label that it appeared, in the label space's order.
        vanished: the probability of each label that it vanished.
        box: as in `MapWindow`, in the scene before.
        polygon: as in `MapWindow`.
    """

    name: str
    appeared: dict[str, float]
    vanished: dict[str, float]
    box: Box
    polygon: tuple[Point, ...]


@dataclass(frozen=True)
class Tagger:
    """A loaded model, ready to tag chips; create it with `Tagger.load`."""

    model: Bundle
    jobs: int = 1

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        precision: str = "auto",
        device: str = "auto",
        bands: Sequence[str] = (),
        levels: str = "auto",
        jobs: int | None = None,
    ) -> "Tagger":
        """Load a model and check that it reproduces its golden scores.

        Args:
            path: a bundle, or a registry, whose current model is loaded; None is the model inside the package.
            precision: `auto`, `f32`, `bf16` or `int8`, as in `amazon_tags predict --precision`.
            device: `auto`, `cpu` or `gpu`.
            bands: the bands of TIFs and arrays in their order, as in `amazon_tags predict --bands`.
            levels: what the levels of 16-bit chips are, as in `amazon_tags predict --levels`; percentiles such as
                `2%:98%` are for `map` and `change`.
            jobs: threads; None is one per core.

        Raises:
            BundleError: the bundle is damaged, missing or of another format.
            RegistryError: the registry has no current model.
            ValueError: the bundle takes vectors, or was not measured in this precision, this machine lacks the
                precision or device, or bands or levels cannot be.
        """
        threads = jobs or os.cpu_count() or 1
        layout = Layout(parse_bands(" ".join(bands)) if bands else None, levels)
        with registry.hold_model(Path(path) if path else bundle.DEFAULT) as folder:
            model = bundle.load(folder, jobs=threads, precision=precision, device=device)
            return cls(model.reading(layout), threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels, in the order of the columns of `scores`."""
        return self.model.space.names

    def predict(self, inputs: ChipFiles | ChipArray, *, views: int = 1) -> TaggedList:
        """Return the tags and scores of every chip: files in natural order of their names, arrays in their own.

        The result is a list; notebooks show its first chips in a table with thumbnails, and all in its `gallery()`.
        What is assumed about files is logged as messages of the logger `amazon_tags`.

        Args:
            inputs: a file, folder, zip or tar archive, a list of these, or an array (chips, height, width, bands) of
                uint8 (red, green, blue) or uint16 (blue, green, red, near infrared), or of the model's own bands.
            views: dihedral views, 1 to 8, whose scores are averaged.

        Raises:
            ChipError: a chip is damaged or its bands are not the model's.
            FileNotFoundError: a path does not exist.
            TypeError: the array's values are not uint8 or uint16.
            ValueError: the array has another number of dimensions, or a path contains no chips.
        """
        _refuse_views(views)
        sources, parts = self._chips(inputs, views)
        results = [
            ChipTags(name, labels.decode(self.model.space, tags), dict(zip(self.labels, scores.tolist(), strict=True)))
            for names, matrix in parts
            for name, scores, tags in zip(names, matrix, self.model.decide(matrix), strict=True)
        ]
        return TaggedList(results, sources, Reading(self.model.space, self.model.decision, self.model.spec))

    def scores(self, inputs: ChipFiles | ChipArray, *, views: int = 1) -> Scores:
        """Return the scores (chips, labels), float32 from 0 to 1; arguments and order are those of `predict`."""
        _refuse_views(views)
        parts = [matrix for _, matrix in self._chips(inputs, views)[1]]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *parts])

    def map(self, scenes: SceneFiles, *, settings: MapSettings | None = None, views: int = 1) -> Iterator[MapWindow]:
        """Yield the windows of a scene with their tags and scores, row by row, once all are scored.

        A chip that is cut from the scene and saved as a file has the scores of its window. What is assumed is logged as
        in `predict`.

        Args:
            scenes: a GeoTIFF or JPG, or a list of GeoTIFFs on one grid of pixels.
            settings: size, overlap and edges of the windows.
            views: as in `predict`.

        Raises:
            ChipError: a scene is damaged, its bands are not the model's, or a window cannot be used.
            ValueError: the scene cannot be cut as the settings say, or no window holds enough data.
        """
        _refuse_views(views)
        with open_scenes(_paths(scenes), jobs=self.jobs) as scene:
            (model,) = resolve_levels([resolve_bands(self.model, scene)], [scene], jobs=self.jobs)
            windows, valid = plan_windows(scene, model, settings or MapSettings(), jobs=self.jobs)
            predict = partial(predict_chips, model=model, views=views, jobs=self.jobs)
            cells = tag_scene(scene, windows, valid, model, predict).cells

        rows = zip(cells.names, cells.tags, cells.scores, cells.expected_f, cells.valid, strict=True)
        for (name, tags, scores, expected, share), box, footprint in zip(
            rows, cells.boxes, cells.footprints, strict=True
        ):
            by_label = dict(zip(self.labels, scores.tolist(), strict=True))
            decoded = labels.decode(model.space, tags)
            yield MapWindow(name, decoded, by_label, float(expected), float(share), box, footprint.ring)

    def change(
        self, before: SceneFiles, after: SceneFiles, *, settings: ChangeSettings | None = None, views: int = 1
    ) -> Iterator[ChangedWindow]:
        """Yield the windows that two scenes of the same ground share, with the probabilities of change.

        Windows with too little data or under clouds are left out, as in `amazon_tags change`, which describes what is
        assumed; it is logged as in `predict`.

        Args:
            before: a GeoTIFF or JPG, or a list of GeoTIFFs on one grid of pixels.
            after: the same at a later date.
            settings: size of the windows, and how probable clouds may be.
            views: as in `predict`.

        Raises:
            ChipError: a scene is damaged, its bands are not the model's, or a window cannot be used.
            ValueError: the scenes cannot be aligned, or no window has data and is clear at both dates.
        """
        _refuse_views(views)

        def predictor(model: Bundle) -> Predict:
            return partial(predict_chips, model=model, views=views, jobs=self.jobs)

        with open_scenes(_paths(before), jobs=self.jobs) as one, open_scenes(_paths(after), jobs=self.jobs) as other:
            chosen = settings or ChangeSettings()
            cells = compare_scenes(one, other, self.model, chosen, predictor=predictor, jobs=self.jobs).cells

        shared = cells.before
        rows = zip(cells.changes.appeared.tolist(), cells.changes.vanished.tolist(), strict=True)
        places = zip(shared.names, shared.boxes, shared.footprints, strict=True)
        for (appeared, vanished), (name, box, footprint) in zip(rows, places, strict=True):
            by_label = dict(zip(self.labels, appeared, strict=True)), dict(zip(self.labels, vanished, strict=True))
            yield ChangedWindow(name, by_label[0], by_label[1], box, footprint.ring)

    def _chips(
        self, inputs: ChipFiles | ChipArray, views: int
    ) -> tuple[Sequence[ChipPath | StoredImage], Iterator[tuple[list[str], Scores]]]:
        """Return the chips in order, and an iterator over the names and scores of the next ones."""
        if isinstance(inputs, np.ndarray):
            _refuse_array(inputs)
            return [_image(chip) for chip in inputs], self._score_array(inputs, views)
        paths = find_chips(_paths(inputs))
        return paths, self._score_files(paths, views)

    def _score_files(self, paths: Listing, views: int) -> Iterator[tuple[list[str], Scores]]:
        first, remarks = 0, RemarkCounts()
        for part in score_chips(paths, self.model, views=views, jobs=self.jobs):
            names = paths[first : first + len(part.scores)].names()
            first += len(names)
            remarks.add(names, part.remarks)
            yield names, part.scores
        remarks.say()

    def _score_array(self, array: ChipArray, views: int) -> Iterator[tuple[list[str], Scores]]:
        spec = self.model.spec
        for first in range(0, len(array), CHIPS_PER_BATCH):
            names = [f"chip_{row}" for row in range(first, min(first + CHIPS_PER_BATCH, len(array)))]
            batch = np.empty((len(names), spec.side, spec.side, len(spec.bands)), spec.dtype)
            for row, name in enumerate(names):
                batch[row] = chips.fit(_image(array[first + row]), spec, name).pixels

            turned = [view(batch, number) for number in range(views)]
            outputs = [np.stack([network(pixels) for pixels in turned]) for network in self.model.networks]
            yield names, self.model.scores(outputs)


def _refuse_views(views: int) -> None:
    if not 1 <= views <= VIEWS:
        raise ValueError(f"views is {views}, but must be from 1 to {VIEWS}.")


def _paths(inputs: ChipFiles) -> list[Path]:
    entries = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    for entry in entries:
        if not isinstance(entry, str | os.PathLike):
            raise TypeError(
                f"the list contains a {type(entry).__name__}, but must contain paths; "
                "join arrays of one shape by np.stack into one array (chips, height, width, bands)."
            )
    return [Path(entry) for entry in entries]


def _image(chip: Chip) -> StoredImage:
    """Return a chip of an array as an image that states nothing about its bands."""
    return StoredImage("array", chip, ("",) * chip.shape[2])


def _refuse_array(array: ChipArray) -> None:
    """Raise TypeError or ValueError for an array that cannot hold chips."""
    if array.dtype not in (np.uint8, np.uint16):
        raise TypeError(
            f"the array's values are {array.dtype}, but must be uint8 or uint16, not normalised; "
            "convert it, for example (255 * array).round().astype('uint8')."
        )
    if array.ndim != 4:
        raise ValueError(
            f"the array has shape {array.shape}, but must be (chips, height, width, bands); "
            "write chip[np.newaxis] for a single chip."
        )
    if 0 in array.shape[1:]:
        raise ValueError(f"the array has shape {array.shape}, and its chips have no pixels.")

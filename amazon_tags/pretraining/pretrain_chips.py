"""Read the chips of a pretraining: folders, archives and files of chips, and scenes that are cut into windows."""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.maps.open_scenes import open_scenes
from amazon_tags.tables.label_tables import read_groups
from amazon_tags.training.fingerprints import combine_named
from features.images import chips, decode, jpg, listing, tif
from features.images.listing import ChipPath, SingleChip
from features.images.spec import ChipSpec
from features.scenes.scene import Scene
from features.scenes.windows import Windows, data_shares, lay_grid

LARGEST_CHIP_PIXELS = 1024  # a picture that is named itself and has a longer side is a scene; no network takes more
MIN_VALID = 0.5  # the least share of a window that holds data
WINDOW_PIXELS = 256  # of Planet's chips, at the same pixel size


@dataclass(frozen=True)
class PretrainInput:
    """Where the chips of a pretraining come from.

    Attributes:
        paths: folders, archives and files of chips, and scenes.
        spec: the bands and the type that they are read as, and the side of the network's input.
        pixels: the side of a scene's windows, in its pixels.
        groups: a table `image_name,group` of neighbours, as `leaks` writes it.
        unusable: leave out chips that cannot be used, and list them in this file; None makes such a chip an error.
        jobs: threads.
    """

    paths: tuple[Path, ...]
    spec: ChipSpec
    pixels: int = WINDOW_PIXELS
    groups: Path | None = None
    unusable: Path | None = None
    jobs: int = 2


@dataclass(frozen=True)
class PretrainChips:
    """The chips of a pretraining; windows can be read while their scenes are open.

    Attributes:
        paths: chips and windows.
        fingerprint: one SHA-256 of all, by name and content.
        groups: (chips,) numbers of groups of neighbours; None without a table.
        unusable: how many chips were left out.
    """

    paths: Sequence[SingleChip]
    fingerprint: str
    groups: NDArray[np.int64] | None
    unusable: int


@contextmanager
def open_chips(source: PretrainInput) -> Iterator[PretrainChips]:
    """Yield the chips and the windows of scenes, and keep the scenes open until the block ends.

    Raises:
        ChipError: a chip or a scene cannot be used.
        FileNotFoundError: a path does not exist.
        ValueError: a path holds no chips, or the table of groups lacks some.
    """
    scenes = [path for path in source.paths if is_scene(path)]
    others = [path for path in source.paths if path not in scenes]
    singles = [path for path in others if path.is_file() and path.suffix.lower() in listing.SUFFIXES]
    places = [[path] for path in others if path not in singles] + ([singles] if singles else [])
    found: list[ChipPath] = [chip for place in places for chip in list_chips(place)]  # names may repeat
    count = len(found)
    if found:
        rows = usable_rows(found, source.spec, source.unusable, jobs=source.jobs)
        found = [found[row] for row in rows]
    unusable = count - len(found)
    kept, hashes = _without_copies(found, source)

    with ExitStack() as opened:
        windows = [_cut(opened.enter_context(open_scenes([path], jobs=source.jobs)), source) for path in scenes]
        named = [(listing.name(chip), digest) for chip, digest in zip(kept, hashes, strict=True)]
        named += [(f"{part.picture} {name}", part.picture.sha256) for part in windows for name in part.names()]
        paths: list[SingleChip] = [*kept, *(window for part in windows for window in part)]
        groups = _read_groups(source.groups, kept, len(paths)) if source.groups else None
        yield PretrainChips(paths, combine_named(named), groups, unusable)


def is_scene(path: Path) -> bool:
    """Return whether a path is a GeoTIFF or JPG with a side of more than `LARGEST_CHIP_PIXELS`."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        start = stream.read(8)
    formats = [decoder for magic, decoder in decode.FORMATS.items() if start.startswith(magic)]
    if not formats or formats[0] not in (jpg, tif):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only the header is read
            with Image.open(path) as image:
                return max(image.size) > LARGEST_CHIP_PIXELS
    except Image.DecompressionBombError:
        return True
    except OSError:  # of a TIF that Pillow does not know, such as one of 4 bands; or of a damaged file
        return formats[0] is tif and _longest_side(path) > LARGEST_CHIP_PIXELS


def _longest_side(path: Path) -> int:
    """Return the longest side of a TIF; 0 if it cannot be read, which is reported where it is used."""
    import rasterio  # noqa: PLC0415  only some TIFs need it here

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path, driver=tif.DRIVER) as dataset:
                return int(max(dataset.width, dataset.height))
    except rasterio.errors.RasterioError:
        return 0


def _cut(scene: Scene, source: PretrainInput) -> Windows:
    """Return the windows of a scene that hold enough data, and report their number."""
    size = (source.pixels, source.pixels)
    try:
        grid = lay_grid((scene.width, scene.height), size, edges="drop")
    except ValueError as error:
        raise ValueError(f"{scene}: {error}") from error
    windows = Windows(scene, grid, np.arange(grid.count[0] * grid.count[1]))
    shares = np.concatenate(list(data_shares(windows, source.spec, jobs=source.jobs)))
    kept = np.flatnonzero((shares >= MIN_VALID) & (shares > 0))
    if not len(kept):
        raise ValueError(f"{scene} has no window with data in {MIN_VALID:.0%} of its pixels; leave it out.")
    progress.say(f"{scene}: {len(kept):,} of {len(windows):,} windows of {size[0]} x {size[1]} pixels hold data")
    return windows.take(kept.tolist())


def _without_copies(found: Sequence[ChipPath], source: PretrainInput) -> tuple[list[ChipPath], list[str]]:
    """Return the chips without copies of equal content, and the hash of each; report copies and sizes."""

    def examine(path: ChipPath) -> tuple[str, tuple[int, int]]:
        content = chips.bytes_of(path)
        header = decode.header(content)
        return sha256_bytes(content), (header.width, header.height)

    with ThreadPoolExecutor(source.jobs) as pool:
        examined = list(pool.map(examine, found))
    first = {digest: row for row, (digest, _) in reversed(list(enumerate(examined)))}
    rows = sorted(first.values())
    if len(rows) < len(found):
        progress.say(f"{len(found) - len(rows):,} of {len(found):,} chips are copies of others and are left out")

    small = [row for row in rows if min(examined[row][1]) < source.spec.side]
    if small:
        width, height = examined[small[0]][1]
        progress.say(
            f"{len(small):,} of {len(rows):,} chips are smaller than {source.spec.side} x {source.spec.side} and are "
            f"enlarged (first: {found[small[0]]} has {width} x {height}); a --side of theirs would take less time"
        )
    return [found[row] for row in rows], [examined[row][0] for row in rows]


def _read_groups(table: Path, paths: Sequence[ChipPath], count: int) -> NDArray[np.int64]:
    """Return the group of each chip as a number; each window of a scene, after these, is a group by itself."""
    names = read_groups(table, [listing.name(path) for path in paths])
    _, numbers = np.unique(names, return_inverse=True)
    groups = np.concatenate([numbers, len(paths) + np.arange(count - len(paths))])
    if len(np.unique(groups)) < 2:
        raise ValueError(f"all {count} chips are in one group of {table}, so that no chip has negatives; leave it out.")
    return groups

"""Stack files of one band each, such as Sentinel-2's, to one scene, without writing it."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rasterio.windows import Window as RasterPart

from features.images.band_names import standard_names
from features.images.stored import MAX_BANDS, StoredImage
from features.scenes.scene import Scene, Size

PARTS_OF_NAMES = re.compile(r"[\W_]+")


def stack(scenes: Sequence[Scene]) -> Scene:
    """Return scenes of one band and one place as one scene, with their bands in this order.

    A band is what its file states or, where no file states anything, what the words say in which the files' names
    differ: `x_B04.tif` and `x_B03.tif` are red and green.

    Raises:
        ValueError: There are too many bands.
    """
    if len(scenes) == 1:
        return scenes[0]
    first = scenes[0]
    if len(scenes) > MAX_BANDS:
        raise ValueError(
            f"{first} and {len(scenes) - 1} more files have one band each and cover the same ground, which would make "
            f"{len(scenes)} bands of one scene; at most {MAX_BANDS} are read, leave out those that are not used."
        )
    corner = RasterPart(0, 0, 1, 1)
    stated = [scene.read_inside(corner).bands[0] for scene in scenes]
    names = tuple(stated) if set(stated) - {"", "grey"} else _by_file_names(scenes)

    def read(part: RasterPart, size: Size | None = None) -> StoredImage:
        return _stack_images([scene.read_inside(part, size) for scene in scenes], names)

    files = tuple(path for scene in scenes for path in scene.files)
    return replace(first, files=files, bands=len(scenes), read_inside=read)


def _by_file_names(scenes: Sequence[Scene]) -> tuple[str, ...]:
    """Return what the files' names say about their bands; empty texts where they say nothing."""
    words = [PARTS_OF_NAMES.split(scene.files[0].stem.casefold()) for scene in scenes]
    shared = set(words[0]).intersection(*words[1:])
    own = [" ".join(word for word in part if word not in shared) for part in words]
    return standard_names(own, [""] * len(own))


def _stack_images(images: Sequence[StoredImage], names: tuple[str, ...]) -> StoredImage:
    first = images[0]
    if any((image.bits, bool(image.scales)) != (first.bits, bool(first.scales)) for image in images):
        raise ValueError("is stacked of files that state other bits or scales; state them alike in all files.")
    masks = [image.valid for image in images if image.valid is not None]
    return StoredImage(
        first.format,
        np.concatenate([image.pixels for image in images], axis=2),
        names,
        np.logical_and.reduce(masks) if masks else None,
        first.bits,
        tuple(pair for image in images for pair in image.scales),
        first.is_float,
    )

"""What the pages of maps carry: windows in flat arrays, and small pictures of the scenes."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.warp import transform

from amazon_tags import progress
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.map_style import colour
from amazon_tags.model.bundle import Bundle
from amazon_tags.records import Json
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats, Tags
from features.images import footprint
from features.images.chips import ChipError
from features.images.overlays import data_uri
from features.scenes.ground import LONGITUDE_LATITUDE
from features.scenes.quicklook import quicklook
from features.scenes.scene import Scene
from features.scenes.windows import Grid

STEPS = 1000  # of a score: three decimals in two bytes
STEPS_A_DEGREE = 1_000_000  # 0.1 m


def window_data(cells: MapCells, grid: Grid, space: LabelSpace) -> Json:
    """Return where the windows of a page lie, their share of data, and the labels with their colours.

    Numbers of all windows are base64 of little-endian integers, which takes a fifth of JSON.
    """
    lefts, tops = np.array(cells.boxes).T[:2]
    return {
        "size": [cells.scene.width, cells.scene.height],
        "stride": list(grid.stride),
        "cells": list(grid.cells),
        "columns": packed(lefts // grid.stride[0], "<u4"),
        "rows": packed(tops // grid.stride[1], "<u4"),
        "centres": _centres(cells),
        "valid": packed_shares(cells.valid),
        "labels": list(space.names),
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour(name, space)) for name in space.names],
    }


def packed(values: NDArray[Any], kind: str) -> str:
    """Return values as base64 of a type of numpy."""
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def packed_shares(values: Floats | NDArray[np.float32]) -> str:
    """Return values from 0 to 1 as base64 of thousandths, two bytes each."""
    return packed(np.rint(np.asarray(values, np.float64) * STEPS), "<u2")


def packed_tags(tags: Tags) -> str:
    """Return tags (cells, labels) as base64 of bits, the first label in the highest bit; a row begins with a byte."""
    return packed(np.packbits(tags, axis=1), "u1")


def picture(scene: Scene, model: Bundle) -> str | None:
    """Return a small picture of a scene as a data URI; None, with a message, if its levels as a whole say nothing.

    Args:
        scene: An open scene.
        model: It reads the scene's bands.

    Raises:
        ChipError: The scene is damaged.
    """
    try:
        return data_uri(Image.fromarray(quicklook(scene, model.spec)))
    except ChipError:
        raise
    except ValueError as error:  # windows can have levels that are right where those of the whole are not
        progress.say(f"the page shows no picture of {scene}, as it {error}")
        return None


def scene_name(scene: Scene) -> str:
    """Return the name of a scene's first file, and how many more there are, without folders."""
    more = f" and {len(scene.files) - 1} more" if len(scene.files) > 1 else ""
    name = scene.files[0].name.encode(errors="backslashreplace").decode()  # a name may be no text
    return f"{name}{more}"


def _centres(cells: MapCells) -> str | None:
    """Return longitude and latitude of the windows' centres, packed; None if the scene does not state them."""
    scene = cells.scene
    if scene.crs is None:
        return None
    middles = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in cells.boxes]
    xs, ys = zip(*(footprint.apply(scene.transform, *middle) for middle in middles), strict=True)
    try:
        points = np.stack(transform(scene.crs, LONGITUDE_LATITUDE, xs, ys), axis=1)
    except Exception:  # noqa: BLE001  GDAL's errors have private types; all mean that there is no conversion
        return None
    if not np.isfinite(points).all():
        return None
    return packed(np.rint(points * STEPS_A_DEGREE), "<i4")

"""Join scenes that lie on one grid of pixels to one scene, without writing it."""

from collections.abc import Sequence

import numpy as np
from rasterio.transform import Affine
from rasterio.windows import Window as RasterPart

from features.images import footprint
from features.images.footprint import Point
from features.images.stored import StoredImage, ValidPixels
from features.scenes.scene import ReadPart, Scene, Size
from features.scenes.stacked import stack

MAX_OFF_GRID = 0.01  # of a pixel: positions in files are rounded
Origin = tuple[int, int]  # column and row of a scene's first pixel in the joined scene


def join(scenes: Sequence[Scene]) -> Scene:
    """Return scenes as one, on the grid of the first; where several hold data, the one that is named first counts.

    Scenes of one band that cover the same ground are the bands of one scene.

    Raises:
        ValueError: A scene has no position, or another reference system, pixel size, type or number of bands than the
            first, or its pixels lie between those of the first.
    """
    if len(scenes) > 1:
        scenes = _stacks(scenes)
    if len(scenes) == 1:
        return scenes[0]
    first = scenes[0]
    origins = [_origin(scene, first) for scene in scenes]
    left, top = min(column for column, _ in origins), min(row for _, row in origins)
    placed = [(scene, (column - left, row - top)) for scene, (column, row) in zip(scenes, origins, strict=True)]
    return Scene(
        files=tuple(path for scene in scenes for path in scene.files),
        width=max(column + scene.width for scene, (column, _) in placed),
        height=max(row + scene.height for scene, (_, row) in placed),
        bands=first.bands,
        dtype=first.dtype,
        crs=first.crs,
        transform=_shifted(first.transform, left, top),
        read_inside=reader(placed),
    )


def reader(placed: Sequence[tuple[Scene, Origin]]) -> ReadPart:
    """Return the function that reads a part of a scene in which scenes lie at these origins."""
    sample = placed[0][0].read_inside(RasterPart(0, 0, 1, 1))

    def read(part: RasterPart, size: Size | None = None) -> StoredImage:
        shape = size or (part.width, part.height)
        found = [(scene, origin, box) for scene, origin in placed if (box := _overlap(scene, origin, part))]
        images = []
        for scene, origin, box in found:
            place = _place(box, origin, part, shape)
            shrunk = (place.width, place.height)
            images.append((scene.read_inside(box, shrunk if size else None), place))
        if len(images) == 1 and (images[0][1].width, images[0][1].height) == shape:
            return images[0][0]
        return _compose(images, shape, sample)

    return read


def _stacks(scenes: Sequence[Scene]) -> list[Scene]:
    """Return the scenes, with those that are the bands of one scene stacked to one."""
    origins = [_origin(scene, scenes[0]) for scene in scenes]
    if scenes[0].bands > 1:
        return list(scenes)
    places: dict[tuple[Origin, int, int], list[Scene]] = {}
    for scene, origin in zip(scenes, origins, strict=True):
        places.setdefault((origin, scene.width, scene.height), []).append(scene)
    first, *others = places.values()
    odd = next((other for other in others if len(other) != len(first)), None)
    if odd:
        raise ValueError(
            f"{len(first)} files of one band cover the ground of {first[0]}, but {len(odd)} that of {odd[0]}; pass the "
            "same bands of each place."
        )
    return [stack(place) for place in places.values()]


def _origin(scene: Scene, first: Scene) -> Origin:
    """Return where a scene's first pixel lies in the columns and rows of another scene."""
    if scene.crs is None or first.crs is None:
        lost = scene if scene.crs is None else first
        raise ValueError(f"{lost} states no position, so it cannot be joined to others; map it alone.")
    for what, value, other in (
        ("the reference system", scene.crs, first.crs),
        ("the type", scene.dtype, first.dtype),
        ("a number of bands of", scene.bands, first.bands),
    ):
        if value != other:
            raise ValueError(
                f"{scene} has {what} {str(value)[:60]}, but {first} has {str(other)[:60]}; convert one like the other, "
                "or map them one by one."
            )
    x, y = pixel_offset(scene, first)
    column, row = round(x), round(y)
    if max(abs(x - column), abs(y - row)) > MAX_OFF_GRID:
        raise ValueError(
            f"{scene} lies {x - column:+.2f} columns and {y - row:+.2f} rows off the pixels of {first}; warp them to "
            "one grid, such as by gdalwarp -tap."
        )
    return column, row


def pixel_offset(scene: Scene, first: Scene) -> Point:
    """Return how many columns and rows a scene's first pixel lies from that of another scene of its reference system.

    Raises:
        ValueError: Their pixels differ in size or direction.
    """
    x, y = _position(scene, first, (0, 0))
    last_x, last_y = _position(scene, first, (scene.width, scene.height))
    if max(abs(last_x - x - scene.width), abs(last_y - y - scene.height)) > MAX_OFF_GRID:
        raise ValueError(f"{scene} has pixels of another size or direction than {first}; warp them to one grid.")
    return x, y


def _position(scene: Scene, first: Scene, corner: Origin) -> Point:
    """Return where a corner of a pixel of a scene lies in the columns and rows of another scene."""
    return footprint.apply(~first.transform, *footprint.apply(scene.transform, *corner))


def _shifted(transform: Affine, column: int, row: int) -> Affine:
    """Return the transform that counts from this column and row on."""
    a, b, _, d, e, _ = transform[:6]
    x, y = footprint.apply(transform, column, row)
    return Affine(a, b, x, d, e, y)


def _overlap(scene: Scene, origin: Origin, part: RasterPart) -> RasterPart | None:
    """Return the part of a scene that lies in a part of the joined scene; None if there is none."""
    left, top = max(0, part.col_off - origin[0]), max(0, part.row_off - origin[1])
    right = min(scene.width, part.col_off + part.width - origin[0])
    bottom = min(scene.height, part.row_off + part.height - origin[1])
    return RasterPart(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _place(box: RasterPart, origin: Origin, part: RasterPart, shape: Size) -> RasterPart:
    """Return where a box of a scene lies in the picture of a part, which has this shape; a pixel at least."""
    across, down = shape[0] / part.width, shape[1] / part.height
    left, top = box.col_off + origin[0] - part.col_off, box.row_off + origin[1] - part.row_off
    first = min(round(left * across), shape[0] - 1), min(round(top * down), shape[1] - 1)
    last = round((left + box.width) * across), round((top + box.height) * down)
    return RasterPart(*first, max(1, last[0] - first[0]), max(1, last[1] - first[1]))


def _compose(images: Sequence[tuple[StoredImage, RasterPart]], shape: Size, sample: StoredImage) -> StoredImage:
    """Return a picture of this shape: each pixel from the first image that holds data there, 0 and no data elsewhere.

    Args:
        images: Images, and where each lies in the picture.
        shape: Width and height.
        sample: States bands, scales and bits, which all images must have.
    """
    pixels = np.zeros((shape[1], shape[0], sample.pixels.shape[2]), sample.pixels.dtype)
    filled = np.zeros((shape[1], shape[0]), np.bool_)
    for image, place in images:
        if (image.bands, image.scales, image.bits) != (sample.bands, sample.scales, sample.bits):
            raise ValueError("joins scenes that state other bands, scales or bits; name the bands alike in all files.")
        target = place.toslices()
        fresh = holds_data(image) & ~filled[target]
        pixels[target][fresh] = image.pixels[fresh]
        filled[target] |= fresh
    is_whole = filled.all() and all(image.valid is None for image, _ in images)
    return StoredImage(
        sample.format, pixels, sample.bands, None if is_whole else filled, sample.bits, sample.scales, sample.is_float
    )


def holds_data(image: StoredImage) -> ValidPixels:
    """Return which pixels are declared to hold data, by the nodata value, the mask or alpha."""
    valid = np.ones(image.pixels.shape[:2], np.bool_) if image.valid is None else image.valid
    if "alpha" in image.bands:
        valid = valid & (image.pixels[..., image.bands.index("alpha")] > 0)
    return valid

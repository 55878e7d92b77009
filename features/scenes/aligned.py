"""Align two scenes of the same ground: lay one on the pixels of the other, and blank what only one of them shows."""

from dataclasses import dataclass, replace

from rasterio.windows import Window as RasterPart

from features.images.footprint import Point
from features.images.stored import StoredImage
from features.scenes.joined import holds_data, pixel_offset, reader
from features.scenes.scene import Scene, Size


@dataclass(frozen=True)
class Aligned:
    """A scene on the pixels of another one.

    Attributes:
        scene: As large as the other scene; it holds no data beyond its own edges.
        moved: By how many columns and rows its pixels are moved to those of the other, each from -0.5 to 0.5; None if
            neither scene states a position, so that pixels of one column and row are taken to be one place.
    """

    scene: Scene
    moved: Point | None


def align(scene: Scene, first: Scene) -> Aligned:
    """Return a scene on the pixels of another one. Only whole pixels are shifted, nothing is resampled.

    Raises:
        ValueError: The scenes differ in their reference systems or in the size or direction of their pixels, or have no
            ground in common; or only one states a position; or neither does, and they differ in size.
    """
    if scene.crs is None and first.crs is None:
        if (scene.width, scene.height) != (first.width, first.height):
            raise ValueError(
                f"{scene} has {scene.width} x {scene.height} pixels, but {first} has {first.width} x {first.height}, "
                "and neither states a position to align them by; cut them to the same ground."
            )
        return Aligned(scene, None)
    if scene.crs is None or first.crs is None:
        lost, placed = (scene, first) if scene.crs is None else (first, scene)
        raise ValueError(
            f"{lost} states no position, but {placed} does, so they cannot be aligned; pass two scenes with a "
            "position, or two of the same size without one."
        )
    if scene.crs != first.crs:
        raise ValueError(
            f"{scene} has the reference system {str(scene.crs)[:60]}, but {first} has {str(first.crs)[:60]}; warp "
            "one to the grid of the other, such as by gdalwarp."
        )

    x, y = pixel_offset(scene, first)
    column, row = round(x), round(y)
    if not (-scene.width < column < first.width and -scene.height < row < first.height):
        raise ValueError(
            f"{scene} covers no ground of {first}: it begins {column:+,} columns and {row:+,} rows from there; pass "
            "two scenes of the same ground."
        )
    read = reader([(scene, (column, row))])
    laid = replace(scene, width=first.width, height=first.height, transform=first.transform, read_inside=read)
    return Aligned(laid, (column - x, row - y))


def share_data(first: Scene, second: Scene) -> tuple[Scene, Scene]:
    """Return two scenes on the same pixels without data, and 0, wherever one of them has no data.

    Otherwise the edge of a picture, or a gap in it, would look like a change of the ground.
    """
    return _without_gaps_of(second, first), _without_gaps_of(first, second)


def _without_gaps_of(other: Scene, scene: Scene) -> Scene:
    def read(part: RasterPart, size: Size | None = None) -> StoredImage:
        image = scene.read_inside(part, size)
        shared = holds_data(image) & holds_data(other.read_inside(part, size))
        if shared.all():
            return image
        pixels = image.pixels.copy()
        pixels[~shared] = 0
        return replace(image, pixels=pixels, valid=shared)

    return replace(scene, read_inside=read)

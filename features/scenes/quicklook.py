"""Make a small picture of a whole scene in the colours that a person sees."""

import math

from rasterio.windows import Window as RasterPart

from features.arrays import Rgb
from features.images.bands import name_bands
from features.images.levels import convert
from features.images.spec import ChipSpec
from features.images.visible import visible
from features.scenes.joined import holds_data
from features.scenes.scene import Scene, Size

MAX_PIXELS = 2_000_000  # as a JPEG about 0.6 MB
MAX_SIDE_PIXELS = 8192  # what browsers draw everywhere
NO_DATA = (232, 232, 232)  # colour of pixels without data


def quicklook(scene: Scene, spec: ChipSpec) -> Rgb:
    """Return a picture of a scene, which is not enlarged, and is read a few blocks at a time or from its overviews.

    Args:
        scene: The scene.
        spec: States the bands and levels of the chips that are cut from it.

    Raises:
        ValueError: The scene is damaged, or its bands or levels are not those of the spec.
    """
    image = scene.read_inside(RasterPart(0, 0, scene.width, scene.height), quicklook_size(scene))
    filled = holds_data(image)
    named, _ = name_bands(image, spec)
    pixels, _ = convert(named, spec)
    picture = visible(pixels, spec)
    picture[~filled] = NO_DATA
    return picture


def quicklook_size(scene: Scene) -> Size:
    """Return width and height of the picture."""
    width, height = scene.width, scene.height
    scale = min(1.0, math.sqrt(MAX_PIXELS / (width * height)), MAX_SIDE_PIXELS / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))

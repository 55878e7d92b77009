"""Measure the pixels of a scene on the ground, whatever the unit and the projection of its reference system."""

import math

from rasterio.crs import CRS
from rasterio.warp import transform

from features.images import footprint
from features.scenes.scene import Scene

# WGS 84, EPSG:7030: half its longer axis in metres, and its eccentricity squared. Other ellipsoids differ by < 0.1 %.
SEMI_MAJOR_METRES = 6_378_137.0
ECCENTRICITY_SQUARED = 6.69437999014e-3
LONGITUDE_LATITUDE = CRS.from_user_input("OGC:CRS84")
MAX_SPAN_PIXELS = 256  # measured around the middle: more than a pixel, for the sake of digits, but no curved distance


def pixel_metres(scene: Scene) -> tuple[float, float]:
    """Return the ground distance in metres from a pixel to the next column, and to the next row.

    Measured in the middle of the scene: degrees of longitude and the pixels of Mercator shrink towards the poles.

    Raises:
        ValueError: The scene has no reference system, or one that cannot be converted to longitude and latitude.
    """
    across, down = min(scene.width, MAX_SPAN_PIXELS), min(scene.height, MAX_SPAN_PIXELS)
    column, row = scene.width / 2, scene.height / 2
    ends = (
        (column - across / 2, row),
        (column + across / 2, row),
        (column, row - down / 2),
        (column, row + down / 2),
    )
    xs, ys = zip(*(footprint.apply(scene.transform, *end) for end in ends), strict=True)
    try:
        longitudes, latitudes = transform(scene.crs, LONGITUDE_LATITUDE, xs, ys)
    except Exception as error:  # GDAL's errors have private types; all mean that there is no conversion
        raise ValueError(
            f"{scene} has a reference system without longitude and latitude; state the side of a window in pixels by "
            "--pixels."
        ) from error
    points = list(zip(longitudes, latitudes, strict=True))
    return _metres(points[0], points[1]) / across, _metres(points[2], points[3]) / down


def _metres(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the distance of two near points, in degrees of longitude and latitude, on the ellipsoid.

    By the radii of curvature along the meridian and across it (J. P. Snyder, USGS Professional Paper 1395, page 24).
    """
    latitude = math.radians((first[1] + second[1]) / 2)
    east = math.radians(math.remainder(second[0] - first[0], 360))  # the shorter way, also over the antimeridian
    north = math.radians(second[1] - first[1])
    shrink = 1 - ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
    across = SEMI_MAJOR_METRES / math.sqrt(shrink) * math.cos(latitude)
    along = SEMI_MAJOR_METRES * (1 - ECCENTRICITY_SQUARED) / shrink**1.5
    return math.hypot(across * east, along * north)

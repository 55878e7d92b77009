"""The ground that a pixel covers, for metres, feet, degrees, Mercator, rotated and south-up scenes."""

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from features.scenes.ground import pixel_metres
from features.scenes.scene import Scene

SURVEY_FOOT = 1200 / 3937
SIDE = 200
COS, SIN = math.cos(math.radians(30)), math.sin(math.radians(30))


def scene(crs, transform):
    return Scene(
        (Path("scene.tif"),), SIDE, SIDE, 3, "uint8", rasterio.CRS.from_user_input(crs), transform, lambda part: None
    )


def centred(steps, x, y):
    """A transform whose middle pixel lies at (x, y), with steps (a, b, d, e) from pixel to pixel."""
    a, b, d, e = steps
    return Affine(a, b, x - (a + b) * SIDE / 2, d, e, y - (d + e) * SIDE / 2)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (centred((3, 0, 0, -3), 500_000, 9_700_000), (3, 3)),
        (centred((3, 0, 0, 3), 500_000, 9_700_000), (3, 3)),
        (centred((4 * COS, 2 * SIN, 4 * SIN, -2 * COS), 500_000, 9_700_000), (4, 2)),
    ],
    ids=["north-up", "south-up", "rotated"],
)
def test_metres_of_utm_are_those_of_the_ground_but_for_its_scale(transform, expected):
    # On the central meridian UTM shrinks the ground to 0.9996.
    assert pixel_metres(scene("EPSG:32721", transform)) == pytest.approx(np.array(expected) / 0.9996, rel=1e-5)


def test_feet_are_converted():
    # New York Long Island; its scale is within 1e-4 of 1.
    transform = centred((10, 0, 0, -10), 984_250, 200_000)
    assert pixel_metres(scene("EPSG:2263", transform)) == pytest.approx((10 * SURVEY_FOOT,) * 2, rel=1e-4)


@pytest.mark.parametrize("latitude", [0, 45, -60])
def test_degrees_count_at_the_latitude_of_the_middle(latitude):
    # Snyder, page 24: lengths of a degree on WGS 84.
    phi = math.radians(latitude)
    north = 111_132.954 - 559.822 * math.cos(2 * phi) + 1.175 * math.cos(4 * phi)
    east = 111_412.84 * math.cos(phi) - 93.5 * math.cos(3 * phi) + 0.118 * math.cos(5 * phi)
    transform = centred((1e-4, 0, 0, -1e-4), -60, latitude)
    assert pixel_metres(scene("EPSG:4326", transform)) == pytest.approx((east * 1e-4, north * 1e-4), rel=1e-5)


def test_pixels_of_mercator_shrink_with_the_latitude():
    y = 6_378_137 * math.log(math.tan(math.pi / 4 + math.radians(60) / 2))
    across, down = pixel_metres(scene("EPSG:3857", centred((3, 0, 0, -3), 0, y)))
    assert across == pytest.approx(1.5, rel=0.003)
    assert down == pytest.approx(1.5, rel=0.006)  # the sphere of Mercator against the ellipsoid


def test_the_antimeridian_is_no_long_way():
    transform = centred((1e-3, 0, 0, -1e-3), 180, 0)
    assert pixel_metres(scene("EPSG:4326", transform))[0] == pytest.approx(111.32, rel=1e-3)


def test_a_reference_system_without_longitudes_is_refused():
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    with pytest.raises(ValueError, match=r"without longitude and latitude; state the side .* --pixels"):
        pixel_metres(scene(local, centred((3, 0, 0, -3), 0, 0)))

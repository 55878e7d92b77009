import numpy as np
import pytest
from keras import ops

from ensemble.networks.settings import POOLS, SEES
from features.images import sensor_colours
from features.images.chips import ChipSpec
from features.networks import backbones, inputs

FOUR = ChipSpec(sensor_colours.BANDS, "uint16", 4)


def seen(name, pixels, spec):
    return [ops.convert_to_numpy(image) for image in inputs.network_inputs(name, ops.convert_to_tensor(pixels), spec)]


def test_four_bands_are_scaled_to_grey_levels_near_the_visual_product():
    levels = np.linspace(1500, 5000, 50).astype(np.uint16)
    pixels = np.repeat(levels[:, None, None, None], 4, axis=3)
    colours = seen("bands", pixels, FOUR)[0][:, 0, 0, :3]
    expected = sensor_colours.colours(pixels[:, 0]).astype(float)[:, 0]
    low = expected < sensor_colours.KNEE
    np.testing.assert_allclose(colours[low], expected[low], atol=0.6)


def test_bands_come_in_the_order_red_green_blue_near_infrared():
    pixels = np.zeros((4, 4, 4, 4), np.uint16)
    for place in range(4):
        pixels[place, ..., place] = 6000
    image = seen("bands", pixels, FOUR)[0]
    assert [int(np.argmax(chip[0, 0])) for chip in image] == [2, 1, 0, 3]


def test_streams_tell_water_from_plants():
    water, plants = (3000, 3000, 2000, 1500), (4000, 3500, 2500, 9000)  # blue, green, red, near infrared
    pixels = np.tile(np.array([water, plants], np.uint16)[:, None, None], (1, 4, 4, 1))
    colours, indices = seen("streams", pixels, FOUR)
    assert colours.shape == indices.shape == (2, 4, 4, 3)
    near, ndwi, savi = indices[:, 0, 0].T
    assert near[0] < near[1]
    assert ndwi[0] > 127.5 > ndwi[1]
    assert savi[0] < 127.5 < savi[1]
    assert 0 <= indices.min() <= indices.max() <= 255


def test_an_eight_bit_chip_is_seen_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(seen("bands", pixels, ChipSpec(side=4))[0], pixels)


@pytest.mark.parametrize(
    ("names", "table"), [(SEES, inputs.INPUTS), (SEES, inputs.NEEDED_BANDS), (POOLS, backbones.POOLS)]
)
def test_a_recipe_may_say_what_the_tables_hold(names, table):
    assert list(names) == list(table)

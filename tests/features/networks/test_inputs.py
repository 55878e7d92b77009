"""Test the images that a backbone takes from a chip's bands."""

import numpy as np
import pytest
from keras import ops

from ensemble.networks.settings import POOLS, SEES
from features.images import sensor_colours
from features.images.spec import ChipSpec
from features.networks import backbone_shapes, backbones, inputs

FOUR = ChipSpec(sensor_colours.BANDS, "uint16", 4)


def images_of(name, pixels, spec):
    return [ops.convert_to_numpy(image) for image in inputs.network_inputs(name, ops.convert_to_tensor(pixels), spec)]


def test_four_bands_are_scaled_like_the_visible_colours_below_the_knee():
    levels = np.linspace(1500, 5000, 50).astype(np.uint16)
    pixels = np.repeat(levels[:, None, None, None], 4, axis=3)
    colours = images_of("bands", pixels, FOUR)[0][:, 0, 0, :3]
    expected = sensor_colours.colours(pixels[:, 0]).astype(float)[:, 0]
    below_knee = expected < sensor_colours.KNEE
    np.testing.assert_allclose(colours[below_knee], expected[below_knee], atol=0.6)


def test_many_bands_are_normalised_by_their_statistics():
    bands = ("coastal", "blue", "green", "red", "swir")
    statistics = tuple((500.0 * (place + 1), 100.0 * place) for place in range(5))
    spec = ChipSpec(bands, "uint16", 4, statistics=statistics)
    means, deviations = np.array(statistics).T
    pixels = np.rint([means, means + deviations, means - 3 * deviations, means + 9 * deviations]).astype(np.uint16)
    image = images_of("bands", np.tile(pixels[:, None, None], (1, 4, 4, 1)), spec)[0][:, 0, 0]
    np.testing.assert_allclose(image[0], 127.5, atol=1e-3)
    np.testing.assert_allclose(image[1:, :3], [[170] * 3, [0] * 3, [255] * 3], atol=1e-3)  # red, green, blue
    assert image[1, 3] == pytest.approx(127.5, abs=1e-3)  # coastal, which has one value


def test_the_fourth_band_of_three_is_their_luma():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    image = images_of("grey", pixels, ChipSpec(side=4))[0]
    np.testing.assert_array_equal(image[..., :3], pixels)
    np.testing.assert_allclose(image[..., 3], pixels @ [0.299, 0.587, 0.114], atol=1e-3)


def test_many_bands_without_statistics_have_one_line_of_reflectance():
    spec = ChipSpec(("coastal", "blue", "green", "red", "swir"), "uint16", 4)
    pixels = np.full((3, 4, 4, 5), 1, np.uint16) * np.array([0, 2000, 9000], np.uint16)[:, None, None, None]
    image = images_of("bands", pixels, spec)[0]
    np.testing.assert_allclose(image[:, 0, 0, 0], [0, 127.5, 255], rtol=1e-5)  # of reflectance 0, 0.2 and 0.9
    assert (image == image[:, :1, :1, :1]).all()


def test_bands_are_ordered_red_green_blue_near_infrared():
    pixels = np.zeros((4, 4, 4, 4), np.uint16)
    for place in range(4):
        pixels[place, ..., place] = 6000
    image = images_of("bands", pixels, FOUR)[0]
    assert [int(np.argmax(chip[0, 0])) for chip in image] == [2, 1, 0, 3]


def test_streams_separate_water_from_plants():
    water, plants = (3000, 3000, 2000, 1500), (4000, 3500, 2500, 9000)  # blue, green, red, near infrared
    pixels = np.tile(np.array([water, plants], np.uint16)[:, None, None], (1, 4, 4, 1))
    colours, indices = images_of("streams", pixels, FOUR)
    assert colours.shape == indices.shape == (2, 4, 4, 3)
    near, ndwi, savi = indices[:, 0, 0].T
    assert near[0] < near[1]
    assert ndwi[0] > 127.5 > ndwi[1]
    assert savi[0] < 127.5 < savi[1]
    assert 0 <= indices.min() <= indices.max() <= 255


def test_an_8_bit_chip_is_not_changed():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(images_of("bands", pixels, ChipSpec(side=4))[0], pixels)


@pytest.mark.parametrize(
    ("names", "table"), [(SEES, inputs.INPUTS), (SEES, backbone_shapes.NEEDED_BANDS), (POOLS, backbones.POOLS)]
)
def test_recipes_accept_exactly_the_keys_of_the_tables(names, table):
    assert list(names) == list(table)

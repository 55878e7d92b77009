import numpy as np

from features.images import sensor_colours
from features.images.spec import ChipSpec
from features.images.visible import visible

CHIP = np.arange(2 * 2 * 4, dtype=np.uint16).reshape(2, 2, 4) * 4000


def test_colours_are_found_among_other_bands():
    spec = ChipSpec(("nir", "blue", "green", "red"), "uint8", 2)
    pixels = CHIP.astype(np.uint8)
    assert visible(pixels, spec).tolist() == pixels[..., [3, 2, 1]].tolist()


def test_sensor_levels_and_whole_ranges_become_bytes():
    sensor = visible(CHIP, ChipSpec(sensor_colours.BANDS, "uint16", 2))
    assert sensor.tolist() == sensor_colours.colours(CHIP).tolist()
    whole = visible(CHIP[..., :3], ChipSpec(dtype="uint16", side=2))
    assert whole.dtype == np.uint8
    assert whole[1, 1].tolist() == [48000 // 257, 52000 // 257, 56000 // 257]


def test_chips_without_colours_are_grey():
    picture = visible(CHIP[..., :1], ChipSpec(("nir",), "uint16", 2))
    assert picture[..., 0].tolist() == [[0, 85], [170, 255]]
    assert (picture[..., 1:] == picture[..., :1]).all()


def test_many_bands_are_shown_by_the_statistics_of_the_training_chips():
    bands = ("coastal", "blue", "green", "red", "swir")
    pixels = np.full((1, 2, 5), 1000, np.uint16)
    pixels[0, 1] = 1200
    spec = ChipSpec(bands, "uint16", 2, statistics=((1000.0, 100.0),) * 5)
    assert visible(pixels, spec).tolist() == [[[128] * 3, [255] * 3]]
    alone = visible(pixels, ChipSpec(bands, "uint16", 2))
    assert alone.tolist() == [[[64] * 3, [191] * 3]]

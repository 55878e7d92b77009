"""Test that two chips of one place are read as one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from features.images import chips
from features.images.chips import ChipError
from features.images.date_pair import DatePair
from features.images.spec import ChipSpec

PAIRS = ChipSpec(side=16, dates=2)


@pytest.fixture
def pair(tmp_path: Path) -> DatePair:
    for number, name in enumerate(("a", "b")):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return DatePair("place", tmp_path / "a.png", tmp_path / "b.png")


def test_a_pair_has_the_bands_of_the_earlier_chip_then_those_of_the_later(pair: DatePair):
    single = PAIRS.of_one_date()
    loaded = chips.load_with_remarks(pair, PAIRS)
    assert loaded.pixels.shape == (16, 16, len(PAIRS.channels))
    np.testing.assert_array_equal(loaded.pixels[..., :3], chips.load(pair.before, single))
    np.testing.assert_array_equal(loaded.pixels[..., 3:], chips.load(pair.after, single))
    assert PAIRS.channels == ("before_red", "before_green", "before_blue", "after_red", "after_green", "after_blue")
    assert single.channels == single.bands


def test_a_pair_of_other_bands_or_levels_is_refused(pair: DatePair, tmp_path: Path):
    Image.fromarray(np.full((20, 20), 3000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(ChipError, match=r"a\.png has 3 bands of uint8, but .*deep\.png has .*one sensor"):
        chips.load(DatePair("place", pair.before, tmp_path / "deep.png"), PAIRS)


def test_single_chips_and_pairs_are_not_taken_for_each_other(pair: DatePair):
    with pytest.raises(ChipError, match=r"a\.png is a single chip, .*--pairs"):
        chips.load(pair.before, PAIRS)
    with pytest.raises(ChipError, match=r"a\.png and .*b\.png are a pair"):
        chips.load(pair, PAIRS.of_one_date())


def test_a_damaged_chip_of_a_pair_is_named(pair: DatePair, tmp_path: Path):
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:200])
    with pytest.raises(ChipError, match=r"^\S*b\.png "):
        chips.load(pair, PAIRS)

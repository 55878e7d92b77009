"""Test near-duplicates: changed copies are found, other chips are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from amazon_tags.datasets import sample
from features.scenes import duplicates


def save_again(chip, change):
    image = Image.fromarray(chip)
    if change == "half":
        image = image.resize((image.width // 2, image.height // 2))
    if change == "bright":
        image = ImageEnhance.Brightness(image).enhance(1.15)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=50 if change == "quality" else 90)
    return np.asarray(Image.open(stream))


@pytest.fixture(scope="module")
def rendered():
    rng = np.random.default_rng(0)
    return [sample.render(sample.draw_tags(rng), seed=seed) for seed in range(40)]


@pytest.mark.parametrize("change", ["quality", "half", "bright"])
def test_copies_are_found_and_nothing_else(rendered, change):
    copies = [save_again(chip, change) for chip in rendered]
    pictures = np.stack([duplicates.thumbnail(chip) for chip in (*rendered, *copies)])
    pairs = {tuple(pair) for pair in duplicates.find_pairs(pictures).tolist()}
    true = {(place, place + len(rendered)) for place in range(len(rendered))}
    assert pairs <= true
    assert len(pairs) >= 0.9 * len(true)  # cloudy chips have little to compare


def test_the_size_of_a_tile_does_not_change_the_pairs(rendered, monkeypatch):
    copies = [save_again(chip, "half") for chip in rendered]
    pictures = np.stack([duplicates.thumbnail(chip) for chip in (*rendered, *copies)])
    expected = duplicates.find_pairs(pictures).tolist()
    monkeypatch.setattr(duplicates, "TILE_CHIPS", 7)
    assert sorted(duplicates.find_pairs(pictures).tolist()) == sorted(expected)


def test_flat_pictures_are_not_copies():
    flat = np.random.default_rng(0).normal(200, 0.1, (5, 32, 32)).astype(np.float32)
    assert not len(duplicates.find_pairs(flat))


def test_brightness_does_not_change_the_fingerprint(rendered):
    picture = duplicates.thumbnail(rendered[0])
    assert duplicates.fingerprint(picture) == duplicates.fingerprint(0.5 * picture + 20)
    assert int(duplicates.fingerprint(picture)).bit_count() == 31  # the median of 63 values is not above itself

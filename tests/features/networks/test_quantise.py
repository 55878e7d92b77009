import numpy as np
import pytest

from features.images.chips import ChipSpec
from features.networks import openvino_runtime, quantise

SPEC = ChipSpec(side=64)


@pytest.fixture(scope="module")
def shown():
    return np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)


def test_a_quantised_network_is_smaller_and_says_nearly_the_same(toy, shown):
    xml, weights = quantise.quantise_to_int8(*toy, shown, keep=0)
    assert b'"i8"' in xml
    assert len(weights) < 0.5 * len(toy[1])
    expected, given = (openvino_runtime.load(*part)(shown) for part in (toy, (xml, weights)))
    assert 0 < np.abs(given - expected).mean() < 0.05 * np.abs(expected).mean()


def test_what_is_kept_in_floats_loses_less(toy, shown):
    expected = openvino_runtime.load(*toy)(shown)
    whole, part = (openvino_runtime.load(*quantise.quantise_to_int8(*toy, shown, keep=keep))(shown) for keep in (0, 2))
    assert np.abs(part - expected).mean() < 0.7 * np.abs(whole - expected).mean()


def test_as_few_are_kept_as_it_takes_to_stay_near(toy, shown, monkeypatch):
    monkeypatch.setattr(quantise, "NEAR", 0.5)
    assert quantise.kept(*toy, shown) == 0
    monkeypatch.setattr(quantise, "NEAR", 1e-9)
    assert quantise.kept(*toy, shown) == quantise.LADDER[-1]


def test_the_same_chips_give_the_same_bytes(toy, shown):
    assert quantise.quantise_to_int8(*toy, shown, keep=1)[1] == quantise.quantise_to_int8(*toy, shown, keep=1)[1]

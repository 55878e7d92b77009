"""Test quantisation to 8-bit integers."""

import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime, quantise

SPEC = ChipSpec(side=64)


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).integers(0, 256, (24, 64, 64, 3), dtype=np.uint8)


def test_a_quantised_network_is_smaller_and_nearly_as_exact(toy, batch):
    xml, weights = quantise.quantise_to_int8(*toy, batch, keep=0)
    assert b'"i8"' in xml
    assert len(weights) < 0.5 * len(toy[1])
    expected, output = (openvino_runtime.load(*part)(batch) for part in (toy, (xml, weights)))
    assert 0 < np.abs(output - expected).mean() < 0.05 * np.abs(expected).mean()


def test_convolutions_in_floats_reduce_the_error(toy, batch):
    expected = openvino_runtime.load(*toy)(batch)
    whole, part = (openvino_runtime.load(*quantise.quantise_to_int8(*toy, batch, keep=keep))(batch) for keep in (0, 2))
    assert np.abs(part - expected).mean() < 0.7 * np.abs(whole - expected).mean()


def test_the_least_number_of_float_convolutions_is_chosen(toy, batch, monkeypatch):
    for error, expected in ((0.5, 0), (1e-9, quantise.FLOAT_CONVOLUTIONS[-1])):
        monkeypatch.setattr(quantise, "MAX_RELATIVE_ERROR", error)
        count, (_, weights) = quantise.quantise_closely(*toy, batch)
        assert count == expected
        assert weights == quantise.quantise_to_int8(*toy, batch, keep=expected)[1]


def test_the_same_chips_give_the_same_bytes(toy, batch):
    assert quantise.quantise_to_int8(*toy, batch, keep=1)[1] == quantise.quantise_to_int8(*toy, batch, keep=1)[1]


@pytest.mark.slow
def test_a_transformer_can_be_quantised(tmp_path):
    model = backbones.build("dinov2_vits14", ChipSpec(side=28), layer="block2")
    openvino_export.export(model, tmp_path)
    network = tuple((tmp_path / name).read_bytes() for name in ("network.xml", "network.bin"))
    chips = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 3), dtype=np.uint8)
    quantised = quantise.quantise_to_int8(*network, chips, keep=1)
    assert len(quantised[1]) < 0.5 * len(network[1])
    expected, output = (openvino_runtime.load(*part)(chips) for part in (network, quantised))
    assert 0 < np.abs(output - expected).mean() < 0.1 * np.abs(expected).mean()

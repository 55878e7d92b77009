"""Test EfficientNet-Lite against the numbers of the original."""

import keras
import pytest

from features.networks.backbone_table import BACKBONES


@pytest.mark.parametrize(
    ("name", "parameters", "blocks"),
    [
        ("efficientnet_lite0", 3_413_024, 16),
        pytest.param("efficientnet_lite1", 4_189_344, 21, marks=pytest.mark.slow),
        pytest.param("efficientnet_lite2", 4_869_168, 21, marks=pytest.mark.slow),
    ],
)
def test_parameters_without_the_classifier_are_those_of_the_original(name, parameters, blocks):
    network = BACKBONES[name].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    assert network.count_params() == parameters
    assert network.output_shape == (None, 2, 2, 1280)
    assert len([layer for layer in network.layers if layer.name.endswith("dwconv")]) == blocks
    for layer, width in BACKBONES[name].truncations.items():
        assert network.get_layer(layer).output.shape[-1] == width
    keras.utils.clear_session()


def test_blocks_behind_the_truncation_are_dropped():
    network = BACKBONES["efficientnet_lite0"].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    part = keras.Model(network.input, network.get_layer("block6a_expand").output)
    assert part.output_shape == (None, 4, 4, 672)
    assert [layer.name for layer in part.layers][-3:] == ["block6a_expand_conv", "block6a_expand_bn", "block6a_expand"]

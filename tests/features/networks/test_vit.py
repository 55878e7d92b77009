"""Test ViT against the numbers of the papers."""

from math import prod

import keras
import pytest

from features.networks.backbone_table import BACKBONES

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "blocks", "parameters", "multiply_adds"),
    [  # with a classifier of 1,000 labels, those of DeiT-Ti and DeiT-S; multiply-adds of what makes the patches
        ("vit_tiny", 12, 5_717_416, 28_901_376),
        pytest.param("vit_small", 12, 22_050_664, None, marks=SLOW),
        pytest.param("vit_tiny_conv", 11, None, 112_896_000, marks=SLOW),
        pytest.param("vit_small_conv", 11, None, None, marks=SLOW),
    ],
)
def test_parameters_and_the_cost_of_the_stem_are_those_of_the_papers(name, blocks, parameters, multiply_adds):
    network = BACKBONES[name].make(input_shape=(224, 224, 3), include_top=False, weights=None)
    width = network.output_shape[-1]
    assert network.output_shape == (None, 1 + 14**2, width)
    assert [layer.name for layer in network.layers if layer.name.startswith("block")] == [
        f"block{number}" for number in range(1, blocks + 1)
    ]
    assert BACKBONES[name].truncations == {f"block{number}": 2 * width for number in range(1, blocks + 1)}

    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    cost = sum(prod(layer.output.shape[1:]) * prod(layer.kernel.shape[:-1]) for layer in convolutions)
    assert parameters in (None, network.count_params() + 1000 * (width + 1))
    assert multiply_adds in (None, cost)
    keras.utils.clear_session()

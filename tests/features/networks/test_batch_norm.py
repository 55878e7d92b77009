"""Test that folding batch norms leaves the function of a network unchanged."""

import keras
import numpy as np
import pytest
from keras import layers

from features.networks import backbones, batch_norm
from tests.features.networks.architectures import outputs_of


def disturb(network):
    """Return the network with batch statistics, scales and offsets that are not neutral."""
    rng = np.random.default_rng(0)
    network.set_weights([weight + 0.002 * rng.random(weight.shape) for weight in network.get_weights()])
    return network


@pytest.mark.parametrize(
    ("name", "norms"),
    [
        ("mobilenet_v2_035", 0),
        *(
            pytest.param(name, norms, marks=pytest.mark.slow)
            for name, norms in (("mobilenet_v3_small", 0), ("resnet50", 0), ("resnet50_v2", 17), ("densenet121", 62))
        ),
    ],
)
def test_a_folded_network_computes_the_same_and_so_does_an_unfolded_one(name, norms):
    whole = disturb(backbones.BACKBONES[name].make(input_shape=(64, 64, 3), include_top=False, weights=None))
    folded = batch_norm.fold_into_convolutions(whole)
    images = np.random.default_rng(1).random((2, 64, 64, 3), dtype=np.float32)
    expected = outputs_of(whole, images)
    np.testing.assert_allclose(outputs_of(folded, images), expected, atol=1e-5 * np.abs(expected).max())
    remaining = [layer for layer in folded.layers if isinstance(layer, layers.BatchNormalization)]
    assert len(remaining) == norms

    unfolded = backbones.BACKBONES[name].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    batch_norm.unfold(folded, unfolded)
    np.testing.assert_allclose(unfolded.predict_on_batch(images), expected, atol=1e-5 * np.abs(expected).max())
    keras.utils.clear_session()


def test_a_norm_stays_if_another_layer_reads_its_convolution():
    image = keras.Input((8, 8, 3))
    maps = layers.Conv2D(4, 3)(image)
    network = keras.Model(image, layers.Add()([maps, layers.BatchNormalization()(maps)]))
    assert batch_norm.fold_into_convolutions(network) is network

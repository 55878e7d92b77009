"""Receptive fields of planted networks."""

import keras
import numpy as np
import pytest
from keras import layers

from ensemble.representation.locality import effective_side
from features.networks import dinov2
from features.networks.receptive_field import central_gradients, theoretical_side

IMAGES = np.random.default_rng(0).random((10, 17, 17, 3)).astype(np.float32)


def fields(*steps):
    """Return the effective and the theoretical side behind layers."""
    maps = image = keras.Input((17, 17, 3))
    for step in steps:
        maps = step(maps)
    network = keras.Model(image, maps)
    return effective_side(central_gradients(network, network.output, IMAGES)), theoretical_side(network, network.output)


def convolution(**options):
    return layers.Conv2D(4, 3, kernel_initializer="ones", **options)


@pytest.mark.parametrize(
    ("steps", "side"),
    [
        ([convolution()], 3),
        ([convolution(padding="same"), layers.ReLU(), convolution(padding="same")], 5),
        ([convolution(dilation_rate=2), layers.Conv2D(4, 1)], 5),
        ([layers.AveragePooling2D(2), layers.AveragePooling2D(3, strides=1)], 6),
    ],
)
def test_the_theoretical_side_is_that_of_the_layers(steps, side):
    assert fields(*steps)[1] == side


def test_the_effective_side_of_one_and_of_two_convolutions_is_3_and_5():
    assert fields(convolution())[0] == 3
    assert fields(convolution(), convolution())[0] == 5


def test_a_dense_layer_over_positions_sees_the_whole_image():
    dense = layers.Dense(289, kernel_initializer="ones")
    steps = [
        layers.Reshape((289, 3)),
        layers.Permute((2, 1)),
        dense,
        layers.Permute((2, 1)),
        layers.Reshape((17, 17, 3)),
    ]
    effective, theoretical = fields(*steps)
    assert effective == 17
    assert np.isnan(theoretical)


def test_tokens_are_laid_out_as_a_map_and_see_the_whole_image_behind_a_block():
    network = dinov2.make(input_shape=(42, 42, 3))
    images = np.random.default_rng(0).random((2, 42, 42, 3)).astype(np.float32)
    patches = network.get_layer("patch_embed").output
    gradients = central_gradients(network, patches, images)
    assert (gradients[14:28, 14:28] > 0).all()
    assert gradients.sum() == pytest.approx(gradients[14:28, 14:28].sum())
    assert theoretical_side(network, patches) == 14
    assert np.isnan(theoretical_side(network, network.get_layer("block1").output))
    assert (central_gradients(network, network.get_layer("block1").output, images) > 0).mean() > 0.99

"""Test AutoInit: its formulas against known values and simulations, and the signals of networks that it scaled."""

import keras
import numpy as np
import pytest
from keras import activations, layers

from features.images.spec import ChipSpec
from features.initialisation import autoinit, redraw
from features.initialisation.autoinit import Moments
from features.initialisation.start import Start
from features.networks import backbones
from features.networks.backbone_shapes import BACKBONE_SHAPES
from tests.features.networks.architectures import ARCHITECTURES

STANDARD = Moments(0.0, 1.0)


def scaled(network, images=STANDARD, seed=0):
    redraw.redraw(network, Start("auto", seed), lambda: network)
    return autoinit.scale_kernels(network, images)


def chain(activation, depth, *, width=48, side=16):
    """Return convolutions, each with an activation behind it."""
    maps = image = keras.Input((side, side, width))
    for _ in range(depth):
        maps = layers.Conv2D(width, 3, padding="same", activation=activation)(maps)
    return keras.Model(image, maps)


@pytest.mark.parametrize(
    ("activation", "mean", "variance"),
    [
        ("relu", 0.398942, 0.340845),
        ("tanh", 0.0, 0.394294),
        ("gelu", 0.282095, 0.345644),
        ("silu", 0.206621, 0.313083),
        ("elu", 0.160521, 0.619179),
    ],
)
def test_activations_of_a_standard_normal_have_their_known_moments(activation, mean, variance):
    moments = autoinit.after_activation(Moments(), activations.get(activation))
    assert (moments.mean, moments.variance) == (pytest.approx(mean, abs=1e-6), pytest.approx(variance, abs=1e-6))


def test_the_largest_of_two_normal_values_has_its_known_moments():
    moments = autoinit.after_maximum(Moments(3.0, 4.0), 2)
    assert moments.mean == pytest.approx(3 + 2 / np.sqrt(np.pi))
    assert moments.variance == pytest.approx(4 * (1 - 1 / np.pi))


def test_behind_a_relu_kernels_have_the_variance_of_he():
    network, fresh = chain("relu", 4, side=8), chain("relu", 4, side=8)
    scaled(network)
    redraw.redraw(fresh, Start("random"), lambda: fresh)
    for number, (layer, he) in enumerate(zip(network.layers[1:], fresh.layers[1:], strict=True)):
        gain = 0.5 if number == 0 else 1.0  # the image is no ReLU's output: its mean square is 1, not 1/2
        np.testing.assert_allclose(layer.get_weights()[0], he.get_weights()[0] * np.sqrt(gain), rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "depth", "low", "high"),
    [("tanh", 30, 0.9, 1.15), ("silu", 10, 0.1, 10.0), ("gelu", 10, 0.1, 10.0)],  # the last two have no stable variance
)
def test_convolutions_keep_the_mean_square_of_their_signal(activation, depth, low, high):
    network = chain(activation, depth)
    images = np.random.default_rng(0).standard_normal((4, 16, 16, 48)).astype(np.float32)
    for seed in (0, 1):
        expected = scaled(network, seed=seed).second()
        assert low <= np.square(network.predict_on_batch(images)).mean() / expected <= high


@pytest.mark.parametrize(
    ("make", "count", "mean", "variance"),
    [
        (layers.Add, 2, 2.0, 6.0),
        (layers.Multiply, 2, 1.0, 15.0),  # (3 + 1) ** 2 - 1
        (layers.Concatenate, 2, 1.0, 3.0),
        (lambda: layers.ZeroPadding2D(2), 1, 0.25, 0.9375),  # 16 of 64 places: 4 / 4 - 1 / 16
        (lambda: layers.Dropout(0.5), 1, 1.0, 7.0),  # 4 / 0.5 - 1
        (lambda: layers.AveragePooling2D(2), 1, 1.0, 0.75),
        (layers.GlobalAveragePooling2D, 1, 1.0, 0.1875),
        (layers.BatchNormalization, 1, 0.0, 1.0),
        (layers.LayerNormalization, 1, 0.0, 1.0),
        (lambda: layers.Reshape((2, 8, 3)), 1, 1.0, 3.0),
    ],
)
def test_other_layers_map_mean_and_variance_by_their_formulas(make, count, mean, variance):
    images = [keras.Input((4, 4, 3)) for _ in range(count)]
    network = keras.Model(images, make()(images if count > 1 else images[0]))
    assert autoinit.scale_kernels(network, Moments(1.0, 3.0)) == Moments(pytest.approx(mean), pytest.approx(variance))


def test_a_kernel_of_one_channel_and_one_behind_it_are_both_scaled():
    image = keras.Input((12, 12, 64))
    network = keras.Model(image, layers.SeparableConv2D(96, 3)(image))
    assert scaled(network, Moments(0.5, 2.0)) == Moments()
    images = np.random.default_rng(0).normal(0.5, np.sqrt(2.0), (16, 12, 12, 64)).astype(np.float32)
    assert network.predict_on_batch(images).var() == pytest.approx(1, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_of_convolutions_can_be_scaled(name):
    spec = ChipSpec(side=98)
    if BACKBONE_SHAPES[name].class_token:
        with pytest.raises(ValueError, match="no rule for the layer tokens of type Tokens; use the start random"):
            backbones.build(name, spec, start=Start("auto"))
        return
    model = backbones.build(name, spec, start=Start("auto"))
    assert all(np.isfinite(value).all() for value in model.get_weights())
    keras.utils.clear_session()


def test_a_backbone_without_norms_keeps_its_signal_whatever_its_scaling():
    for name in ("toy", "vgg16"):
        model = backbones.build(name, ChipSpec(side=64), start=Start("auto"))
        (trunk,) = backbones.settled_backbones(model)
        colours = np.multiply(backbones.MEAN, 255), np.multiply(backbones.DEVIATION, 255)
        pixels = np.random.default_rng(0).normal(*colours, (4, 64, 64, 3)).astype(np.float32)
        maps = trunk.network.predict_on_batch(np.asarray(backbones.BACKBONES[name].scale(pixels)))
        assert (
            0.05 < np.square(maps).mean() < 3
        )  # the images of VGG16 have a variance of 3,000; zeros surround its maps

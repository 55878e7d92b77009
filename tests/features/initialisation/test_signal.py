"""Predicted and measured moments of layers."""

import keras
import numpy as np
import pytest
from keras import layers

from features.images.spec import ChipSpec
from features.initialisation import redraw
from features.initialisation.autoinit import Moments
from features.initialisation.signal import layer_signals, predict_moments
from features.initialisation.start import Start
from features.networks import backbones, dinov2
from features.networks.backbone_shapes import BACKBONE_SHAPES
from features.networks.convnext_v2 import GlobalResponseNorm
from features.networks.resnet_bit import GroupNorm, StandardisedConv2D
from tests.features.initialisation.backends import NEEDS_JAX, printed_on_both
from tests.features.networks.architectures import ARCHITECTURES

NOISE = np.random.default_rng(1).standard_normal((16, 16, 16, 3)).astype(np.float32)


def chain(depth=4, *, padding="valid", gain=1.0, norm=False):
    """Return convolutions from He's start times a factor, each with a ReLU, and perhaps a norm between them."""
    maps = image = keras.Input((16, 16, 3))
    for number in range(depth):
        maps = layers.Conv2D(128, 3, padding=padding, name=f"conv{number}")(maps)
        maps = layers.BatchNormalization(name=f"norm{number}")(maps) if norm else maps
        maps = layers.ReLU(name=f"relu{number}")(maps)
    network = keras.Model(image, maps)
    redraw.redraw(network, Start("random"), lambda: network)
    for layer in network.layers:
        if layer.name.startswith("conv"):
            layer.set_weights([value * np.float32(gain) for value in layer.get_weights()])
    return network


def test_relus_keep_the_mean_square_from_hes_start_as_predicted():
    found = layer_signals(chain(), NOISE)
    assert [one.layer for one in found[:3]] == ["conv0", "relu0", "conv1"]
    for place, one in enumerate(found):
        sampling = 0.05 if place < 4 else 0.3  # of kernels that were drawn: it grows with the depth
        assert one.ratio() == pytest.approx(1, abs=sampling), one
        assert one.predicted.mean == pytest.approx(one.measured.mean, abs=sampling)
    assert found[-1].measured.second() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Conv2D(8, 3, strides=2, padding="same"),
        lambda: layers.DepthwiseConv2D(3, use_bias=False),
        lambda: layers.SeparableConv2D(8, 3, dilation_rate=2),
        lambda: layers.Dense(8),
    ],
)
def test_the_prediction_is_exact_for_one_kernel_with_any_weights_on_independent_pixels(make):
    image = keras.Input((16, 16, 3))
    network = keras.Model(image, make()(image))
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0.3, 0.5, value.shape) for value in network.get_weights()])
    images = rng.normal(0.7, 1.3, (400, 16, 16, 3)).astype(np.float32)
    (one,) = layer_signals(network, images)
    assert one.predicted.mean == pytest.approx(one.measured.mean, rel=0.01)
    assert one.predicted.variance == pytest.approx(one.measured.variance, rel=0.02)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StandardisedConv2D(8, 3, strides=2, use_bias=False),
        lambda: GroupNorm(2, epsilon=1e-5),
        GlobalResponseNorm,
    ],
)
def test_standardised_kernels_and_norms_over_places_are_predicted_with_any_weights(make):
    image = keras.Input((16, 16, 4))
    network = keras.Model(image, make()(image))
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0.3, 0.5, value.shape) for value in network.get_weights()])
    images = rng.normal(0.7, 1.3, (400, 16, 16, 4)).astype(np.float32)
    (one,) = layer_signals(network, images)
    assert one.predicted.mean == pytest.approx(one.measured.mean, abs=0.02)
    assert one.predicted.variance == pytest.approx(one.measured.variance, rel=0.02)


def test_norms_with_batch_statistics_reset_an_exploding_signal():
    network = chain(gain=4.0, norm=True)
    by_name = {one.layer: one for one in layer_signals(network, NOISE, live=True)}
    assert by_name["conv3"].measured.second() == pytest.approx(16, rel=0.3)
    for number in range(4):
        assert by_name[f"norm{number}"].predicted == Moments(0.0, pytest.approx(1, rel=1e-3))
        assert by_name[f"norm{number}"].measured.second() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_norms_with_fixed_statistics_scale_what_comes(gain):
    image = keras.Input((16, 16, 4))
    network = keras.Model(image, layers.BatchNormalization()(image))
    rng = np.random.default_rng(0)
    means, variances = np.array([0.0, 1.0, -2.0, 5.0]), np.array([1.0, 4.0, 0.01, 0.5])
    network.set_weights([rng.normal(1, 0.5, 4), rng.normal(0, 1, 4), means, variances])
    images = (gain * rng.normal(means, np.sqrt(variances), (64, 16, 16, 4))).astype(np.float32)
    (one,) = layer_signals(network, images)
    assert one.predicted.second() == pytest.approx(one.measured.second(), rel=0.02 if gain == 1 else 0.3)


def test_a_layer_without_a_rule_ends_the_prediction_but_not_the_measurement():
    network = dinov2.make(input_shape=(28, 28, 3))
    by_name = {one.layer: one for one in layer_signals(network, NOISE[:2].repeat(2, 1).repeat(2, 2)[:, :28, :28])}
    assert by_name["patch_embed"].predicted.variance > 0
    assert np.isnan(by_name["tokens"].predicted.mean)
    assert np.isnan(by_name["norm"].ratio())
    assert by_name["norm"].measured.variance == pytest.approx(1, rel=0.05)


def test_values_beyond_float32_are_no_numbers():
    found = layer_signals(chain(gain=1e30), NOISE)
    assert not np.isfinite(found[0].measured.second())
    assert not np.isfinite(found[-1].measured.second())
    assert not np.isfinite(found[-1].predicted.second())


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_of_convolutions_is_predicted_up_to_its_last_layer(name):
    model = backbones.build(name, ChipSpec(side=98), start=Start("random"))
    (trunk,) = backbones.settled_backbones(model)
    for live in {trunk.live, False}:
        predicted = predict_moments(trunk.network, Moments(), live=live)
        assert np.isfinite(list(predicted.values())[-1].second()) == (not BACKBONE_SHAPES[name].class_token)
    keras.utils.clear_session()


@NEEDS_JAX
@pytest.mark.slow
def test_jax_and_tensorflow_measure_the_same():
    script = """
from tests.features.initialisation.test_signal import *
for one in layer_signals(chain(3, norm=True), NOISE, live=True):
    print(one.predicted.second(), one.measured.second())
"""
    shown = printed_on_both(script)
    first, second = ([float(word) for word in text.split()] for text in shown)
    assert len(first) == 18
    np.testing.assert_allclose(first, second, rtol=1e-3)

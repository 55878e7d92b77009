"""Test the starts that redraw weights: on given weights, by statistics, position and seed."""

import hashlib
from functools import partial

import keras
import numpy as np
import pytest
from keras import applications, layers

from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec
from features.initialisation import redraw
from features.initialisation.start import STARTS, Start, refuse_unknown_start
from features.networks import backbones
from tests.features.initialisation.backends import NEEDS_JAX, printed_on_both

NORMS_AFTER_A_RESET = (1.0, 0.0, 0.0, 1.0)  # scale, offset, mean, variance


def make_tiny():
    """Return a convolution, a norm, a depthwise convolution, a norm and a sum with a shortcut."""
    image = keras.Input((8, 8, 3))
    entry = layers.Conv2D(64, 3, padding="same", name="stem")(image)
    maps = layers.BatchNormalization(name="stem_bn")(entry)
    maps = layers.DepthwiseConv2D(5, padding="same", name="depth")(layers.ReLU(name="stem_relu")(maps))
    maps = layers.BatchNormalization(name="depth_bn")(maps)
    return keras.Model(image, layers.Add(name="total")([maps, layers.Conv2D(64, 1, name="shortcut")(entry)]))


def pretrained(network, seed=0):
    """Give a network weights with means and deviations of their own; return it."""
    rng = np.random.default_rng(seed)
    shapes = [value.shape for value in network.get_weights()]
    network.set_weights([rng.normal(rng.normal(), rng.uniform(0.5, 2), shape) for shape in shapes])
    return network


def started(name, seed=0):
    network = pretrained(make_tiny())
    redraw.redraw(network, Start(name, seed), make_tiny)
    return network


def bits(network):
    return hashlib.sha256(b"".join(value.tobytes() for value in network.get_weights())).hexdigest()


@pytest.mark.slow
def test_statistics_of_the_53_kernels_of_a_resnet50_are_those_of_its_weights():
    make = partial(applications.ResNet50, include_top=False, weights=None, input_shape=(32, 32, 3))
    network = pretrained(make())
    before = [layer.get_weights() for layer in network.layers]
    redraw.redraw(network, Start("stats"), make)

    kernels = 0
    for layer, old in zip(network.layers, before, strict=True):
        if isinstance(layer, layers.BatchNormalization):
            assert tuple(map(np.unique, layer.get_weights())) == NORMS_AFTER_A_RESET
        if isinstance(layer, layers.Conv2D):
            new, given = layer.get_weights()[0].astype(np.float64), old[0].astype(np.float64)
            assert abs(new.mean() - given.mean()) < 5 * given.std() / np.sqrt(given.size)
            assert given.size < 4096 or abs(new.std() / given.std() - 1) < 0.02
            assert not np.isin(new, given).all()
            kernels += 1
    assert kernels == 53


def test_transfer_up_to_the_last_layer_keeps_every_bit():
    assert bits(started("transfer:total")) == bits(started("imagenet")) == bits(pretrained(make_tiny()))


def test_transfer_keeps_a_layer_with_all_that_it_depends_on():
    kept, network = pretrained(make_tiny()), started("transfer:depth")
    same = [
        layer.name
        for layer in network.layers
        if layer.weights and np.array_equal(layer.get_weights()[0], kept.get_layer(layer.name).get_weights()[0])
    ]
    assert same == ["stem", "stem_bn", "depth"]
    assert [value.mean() for value in network.get_layer("depth_bn").get_weights()] == list(NORMS_AFTER_A_RESET)


@pytest.mark.parametrize("name", ["random", "stats"])
def test_other_starts_keep_no_kernel(name):
    kept, network = pretrained(make_tiny()), started(name)
    for kernel in ("stem", "depth", "shortcut"):
        new, given = (model.get_layer(kernel).get_weights()[0] for model in (network, kept))
        assert not np.isin(new, given).any()


def test_random_kernels_have_variance_2_over_fan_in():
    network = started("random")
    for name, fan_in in (("stem", 27), ("depth", 25), ("shortcut", 64)):
        kernel, bias = network.get_layer(name).get_weights()
        assert kernel.var() == pytest.approx(2 / fan_in, rel=0.1)
        assert abs(kernel.mean()) < 5 * kernel.std() / np.sqrt(kernel.size)
        assert not bias.any()


@pytest.mark.parametrize("name", ["random", "stats", "transfer:stem"])
def test_a_seed_gives_the_same_bits_and_another_one_others(name):
    assert bits(started(name)) == bits(started(name)) != bits(started(name, seed=1))


@NEEDS_JAX
@pytest.mark.slow
def test_jax_and_tensorflow_draw_the_same_bits():
    script = "from tests.features.initialisation.test_redraw import bits, started; print(bits(started('random')))"
    shown = printed_on_both(script)
    assert shown[0] == shown[1] == f"{bits(started('random'))}\n"


@pytest.mark.slow
def test_layer_scales_and_tokens_are_not_reset_like_norms():
    network = backbones.build("convnext_tiny", ChipSpec(side=32), start=Start("random"))
    (inside,) = (layer.network for layer in backbones.settled_backbones(network))
    scales = [layer for layer in inside.layers if type(layer).__name__ == "LayerScale"]
    assert {float(np.unique(layer.get_weights()[0])[0]) for layer in scales} == {np.float32(1e-6)}


def test_only_layers_with_names_of_their_own_are_offered():
    image = keras.Input((8, 8, 3))
    network = keras.Model(image, layers.ReLU(name="end")(layers.BatchNormalization()(layers.Conv2D(4, 3)(image))))
    assert redraw.named_layers(network) == ["end"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gradient", "there is no start named gradient; choose one of imagenet, random, auto, grad, stats"),
        ("transfer", "transfer has no layer; write transfer:LAYER"),
        ("stats:stem", "stats takes no layer, but it is stats:stem; write stats"),
    ],
)
def test_starts_that_cannot_be_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        refuse_unknown_start(name)


def test_members_start_as_loaded_where_nothing_is_stated():
    assert TunedMember.init == STARTS[0] == Start().name

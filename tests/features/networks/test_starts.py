"""Test backbones that start from redrawn weights: which batch norms are folded, and when."""

import keras
import numpy as np
import pytest
from keras import layers

from features.images.spec import ChipSpec
from features.initialisation.start import Start
from features.networks import backbones, batch_norm
from tests.features.networks.architectures import outputs_of

SPEC = ChipSpec(side=64)
LAYER = "block_6_expand_relu"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a weight file of MobileNetV2 0.35 in which no norm is neutral."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    network = backbones.BACKBONES["mobilenet_v2_035"].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    rng = np.random.default_rng(0)
    network.set_weights([value + 0.1 * rng.random(value.shape) for value in network.get_weights()])
    network.save_weights(path)
    return str(path)


def build(start, weights, spec=SPEC):
    return backbones.build("mobilenet_v2_035", spec, layer=LAYER, weights=weights, start=Start(start))


def norms(model):
    (trunk,) = backbones.settled_backbones(model)
    return [layer for layer in trunk.network.layers if isinstance(layer, layers.BatchNormalization)]


def test_transfer_up_to_the_end_is_the_pretrained_backbone_to_the_bit(weights):
    loaded, kept = build("imagenet", weights), build(f"transfer:{LAYER}", weights)
    for value, expected in zip(kept.get_weights(), loaded.get_weights(), strict=True):
        assert np.array_equal(value, expected)
    assert not norms(kept)


def test_norms_behind_the_kept_layers_are_live_and_the_others_folded(weights):
    assert len(norms(build("random", "none"))) == 19
    behind = [norm.name for norm in norms(build("transfer:block_5_add", weights))]
    assert behind == ["block_6_expand_BN"]


@pytest.mark.parametrize("bands", [("red", "green", "blue"), ("red", "green", "blue", "nir")])
def test_folding_live_norms_after_training_changes_no_vector(bands, weights):
    spec = ChipSpec(bands, "uint8" if len(bands) == 3 else "uint16", 64)
    model = build("stats", weights, spec)
    for norm in norms(model):
        norm.set_weights([value + np.random.default_rng(1).random(value.shape) for value in norm.get_weights()])
    plain = backbones.build("mobilenet_v2_035", spec, layer=LAYER)
    backbones.fold_live_norms(model, plain)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, len(bands))).astype(spec.dtype)
    expected = outputs_of(model, pixels)
    np.testing.assert_allclose(outputs_of(plain, pixels), expected, atol=1e-5 * np.abs(expected).max())


def test_live_norms_take_the_statistics_of_batches_and_kept_ones_their_own():
    image = keras.Input((4, 4, 3))
    maps = layers.BatchNormalization(name="kept")(image)
    network = keras.Model(image, layers.BatchNormalization(name="redrawn")(layers.Conv2D(2, 1)(maps)))
    split = batch_norm.fold_into_convolutions(network, {"redrawn"})
    pixels = 5 + 3 * np.random.default_rng(0).random((8, 4, 4, 3), dtype=np.float32)
    answer = keras.ops.convert_to_numpy(split(pixels, training=True))
    assert isinstance(split.get_layer("kept"), batch_norm.FixedNorm)
    np.testing.assert_allclose(answer.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    assert not split.get_layer("kept").moving_mean.numpy().any()
    assert split.get_layer("redrawn").moving_mean.numpy().all()


def test_live_norms_know_the_statistics_of_batches_after_few_steps():
    model = build("random", "none", ChipSpec(side=32))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    (trunk,) = backbones.settled_backbones(model)
    for _ in range(50):
        in_training = keras.ops.convert_to_numpy(trunk(pixels.astype(np.float32), training=True))
    in_prediction = keras.ops.convert_to_numpy(trunk(pixels.astype(np.float32), training=False))
    assert np.corrcoef(in_prediction.ravel(), in_training.ravel())[0, 1] > 0.99


def test_two_images_get_different_random_weights():
    spec = ChipSpec(("blue", "green", "red", "nir"), "uint16", 64)
    options = backbones.BackboneOptions("streams")
    model = backbones.build("toy", spec, options=options, start=Start("random"))
    first, second = (trunk.network.get_layer("edges").get_weights()[0] for trunk in backbones.settled_backbones(model))
    assert not np.isin(first, second).any()


def test_a_random_start_reads_no_weights():
    values = [build("random", weights).get_weights() for weights in ("none", "no such file")]
    assert all(np.array_equal(*pair) for pair in zip(*values, strict=True))


def test_the_layers_to_keep_end_where_the_backbone_is_truncated():
    names = backbones.layers_to_keep("mobilenet_v2_035", LAYER)
    assert (names[0], names[-1]) == ("Conv1", LAYER)

"""Test the table of backbones, their scaling, weights, inputs and pooling."""

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import applications

from features.images.spec import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime
from features.networks.backbone_table import Backbone
from features.networks.backbones import BackboneOptions
from features.networks.openvino_runtime import OpenvinoNetwork
from features.networks.settled import Settled
from tests.features.networks.architectures import ARCHITECTURES, outputs_of

SPEC = ChipSpec(side=98)  # InceptionV3 takes at least 75, DINOv2 multiples of 14


def pixels(count: int, side: int = SPEC.side) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def compile_network(model: keras.Model, folder) -> OpenvinoNetwork:
    openvino_export.export(model, folder)
    return openvino_runtime.load((folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes())


QUICK = ("toy", "mobilenet_v2_035")
GENUINE = {  # weights of ImageNet beside the real chips, where there are any
    "mobilenet_v2_035": "mobilenet_v2_035_imagenet_notop.weights.h5",
    "mobilenet_v3_small": "mobilenet_v3_small_imagenet_notop.weights.h5",
    "efficientnet_lite0": "efficientnet_lite0_imagenet_notop.weights.h5",
    "dinov2_vits14": "dinov2_vits14_fp16.npz",
}
NAMES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]


@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_network_equals_keras_and_the_table(name, tmp_path):
    keras.utils.set_random_seed(1)
    data = os.environ.get("AMAZON_TAGS_DATA")
    is_genuine = bool(data) and name in GENUINE
    weights = str(Path(data, "..", "weights", GENUINE[name])) if is_genuine else "none"
    model = backbones.build(name, SPEC, weights=weights)
    chips = pixels(3)
    expected = outputs_of(model, chips)
    network = compile_network(model, tmp_path)
    vectors = network(chips)
    assert vectors.shape == (3, backbones.BACKBONES[name].dim) == (3, network.dim)
    assert np.abs(vectors - expected).max() <= 1e-4 * np.abs(expected).max()
    if is_genuine:
        assert expected.std(axis=0).max() > 0.01
    keras.utils.clear_session()


@pytest.mark.parametrize(
    ("name", "prepare"),
    [
        ("mobilenet_v2", applications.mobilenet_v2.preprocess_input),
        ("densenet121", applications.densenet.preprocess_input),
        ("resnet50", applications.resnet.preprocess_input),
        ("resnet50_v2", applications.resnet_v2.preprocess_input),
        ("vgg16", applications.vgg16.preprocess_input),
        ("inception_v3", applications.inception_v3.preprocess_input),
        ("xception", applications.xception.preprocess_input),
    ],
)
def test_scaling_equals_keras_preprocessing(name, prepare):
    raw = pixels(2, 8).astype(np.float32)
    scaled = backbones.BACKBONES[name].scale(keras.ops.convert_to_tensor(raw))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scaled), prepare(raw.copy()), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("mobilenet_v3_small", applications.MobileNetV3Small),
        ("efficientnet_v2_b0", applications.EfficientNetV2B0),
        ("efficientnet_v2_s", applications.EfficientNetV2S),
        ("convnext_tiny", applications.ConvNeXtTiny),
    ],
)
def test_scaling_equals_the_one_inside_the_architecture(name, make):
    network = make(include_top=False, weights=None, input_shape=(SPEC.side, SPEC.side, 3))
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D | keras.Sequential))
    raw = pixels(2).astype(np.float32)
    expected = outputs_of(keras.Model(network.input, first.input), raw)
    assert np.abs(expected - raw).max() > 1  # it is scaled inside
    scaled = backbones.BACKBONES[name].scale(keras.ops.convert_to_tensor(raw))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scaled), expected, atol=1e-4)


@pytest.mark.slow
def test_training_does_not_change_batch_statistics():
    model = backbones.build("densenet121", ChipSpec(side=32), layer="pool2_relu")  # half of its norms are before a ReLU
    before = [variable.numpy() for variable in model.non_trainable_variables]
    weights = [variable.numpy() for variable in model.trainable_variables]
    model.compile("sgd", loss="mse")
    model.train_on_batch(pixels(4, 32), np.zeros((4, 256), np.float32))
    assert all(np.array_equal(old, new) for old, new in zip(before, model.non_trainable_variables, strict=True))
    assert not all(np.array_equal(old, new) for old, new in zip(weights, model.trainable_variables, strict=True))


def test_16_bit_chips_are_scaled_to_the_same_vectors():
    deep = ChipSpec(dtype="uint16", side=32)
    keras.utils.set_random_seed(0)
    network = backbones.build("toy", ChipSpec(side=32))
    deep_network = backbones.build("toy", deep)
    deep_network.set_weights(network.get_weights())
    eight = pixels(2, 32)
    sixteen = eight.astype(np.uint16) * 257
    np.testing.assert_allclose(outputs_of(deep_network, sixteen), outputs_of(network, eight), atol=1e-5)


def test_a_weight_file_is_loaded_into_whole_and_truncated_backbones(tmp_path):
    whole = backbones.BACKBONES["toy"].make(input_shape=(32, 32, 3), include_top=False, weights=None)
    path = tmp_path / "toy.weights.h5"
    whole.save_weights(path)
    spec = ChipSpec(side=32)
    expected = whole.get_layer("edges").get_weights()
    for layer in ("top", "edges"):
        model = backbones.build("toy", spec, layer=layer, weights=str(path))
        inside = next(layer for layer in model.layers if isinstance(layer, Settled)).network
        for ours, theirs in zip(inside.get_layer("edges").get_weights(), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_backbone_are_refused(tmp_path):
    path = tmp_path / "toy.weights.h5"
    backbones.BACKBONES["toy"].make(input_shape=(32, 32, 3), include_top=False, weights=None).save_weights(path)
    with pytest.raises(ValueError, match=r"holds [0-9,]+ weights, but .* needs"):
        backbones.build("mobilenet_v2_035", SPEC, weights=str(path))


def test_weights_up_to_another_layer_are_refused_with_its_name(tmp_path):
    whole = backbones.BACKBONES["toy"].make(input_shape=(32, 32, 3), include_top=False, weights=None)
    path = tmp_path / "edges.weights.h5"
    keras.Model(whole.input, whole.get_layer("edges").output).save_weights(path)
    with pytest.raises(ValueError, match="truncate it at edges"):
        backbones.build("toy", ChipSpec(side=32), weights=str(path))


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(40)])
def test_a_damaged_weight_file_is_refused(content, tmp_path):
    path = tmp_path / "damaged.weights.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path} is not a readable HDF5 file")):
        backbones.build("toy", SPEC, weights=str(path))


def test_a_missing_weight_file_and_an_unknown_layer_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a file"):
        backbones.build("toy", SPEC, weights=str(tmp_path / "missing.h5"))
    with pytest.raises(ValueError, match="choose one of top, edges"):
        backbones.build("toy", SPEC, layer="edge")


def test_imagenet_weights_that_cannot_be_downloaded_are_explained(monkeypatch):
    def refuse(**_settings):
        raise OSError("URL fetch failure on some/file.h5")

    toy = backbones.BACKBONES["toy"]
    broken = Backbone(refuse, toy.side, toy.scale, toy.dim)
    monkeypatch.setitem(backbones.BACKBONES, "toy", broken)
    with pytest.raises(FileNotFoundError, match=r"toy.*models and could not be downloaded.*some/file\.h5.*--weights"):
        backbones.build("toy", SPEC, weights="imagenet")


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "layer", "file"),
    [
        ("mobilenet_v2", "top", "mobilenet_v2_100_imagenet_notop.weights.h5"),
        ("resnet50_v2", "conv5_block1_preact_relu", "resnet50v2_conv4_imagenet.weights.h5"),
        ("efficientnet_lite0", "block6a_expand", "efficientnet_lite0_imagenet_notop.weights.h5"),
        ("dinov2_vits14", "block8", "dinov2_vits14_fp16.npz"),
    ],
)
def test_genuine_imagenet_weights_load_and_compile(real, name, layer, file, tmp_path):
    weights = real.parent / "weights" / file
    model = backbones.build(name, SPEC, layer=layer, weights=str(weights))
    expected = outputs_of(model, pixels(2))
    assert expected.std(axis=0).max() > 0.01
    assert np.abs(compile_network(model, tmp_path)(pixels(2)) - expected).max() <= 1e-4 * np.abs(expected).max()


FOUR = ChipSpec(("blue", "green", "red", "nir"), "uint16", 32)


def test_a_fourth_band_starts_from_the_mean_of_the_others(tmp_path):
    whole = backbones.BACKBONES["toy"].make(input_shape=(32, 32, 3), include_top=False, weights=None)
    whole.save_weights(tmp_path / "toy.weights.h5")
    model = backbones.build("toy", FOUR, weights=str(tmp_path / "toy.weights.h5"))
    inside = next(layer for layer in model.layers if isinstance(layer, Settled)).network
    three, four = (network.get_layer("edges").get_weights()[0] for network in (whole, inside))
    np.testing.assert_array_equal(four[:, :, :3], three)
    np.testing.assert_allclose(four[:, :, 3], three.mean(axis=2), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"),
    [("convnext_v2_atto", "stage1_block1_add"), ("resnet26_bit", "stage1_block2_relu1"), ("vit_tiny_conv", "block1")],
)
def test_backbones_of_our_own_layers_take_thirteen_bands(name, layer):
    bands = ("red", "green", "blue", "nir", *(f"band{number}" for number in range(9)))
    spec = ChipSpec(bands, "uint16", 64)
    model = backbones.build(name, spec, layer=layer)
    inside = next(layer for layer in model.layers if isinstance(layer, Settled)).network
    kernel = next(layer for layer in inside.layers if layer.weights).get_weights()[0]
    assert kernel.shape[2] == 13
    np.testing.assert_allclose(kernel[:, :, 12], kernel[:, :, :3].mean(axis=2), rtol=1e-4, atol=1e-6)
    chips = np.random.default_rng(0).integers(0, 65536, (2, 64, 64, 13), dtype=np.uint16)
    assert np.isfinite(outputs_of(model, chips)).all()
    keras.utils.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("sees", ["bands", "dehazed", "streams"])
@pytest.mark.parametrize("pool", ["average", "max", "both"])  # the others need a class token: test_dinov2.py
def test_all_inputs_and_pools_compile_to_what_keras_computes(sees, pool, tmp_path):
    model = backbones.build("toy", FOUR, options=BackboneOptions(sees, 2, pool))
    chips = np.random.default_rng(0).integers(1000, 20000, (3, 32, 32, 4), dtype=np.uint16)
    expected = outputs_of(model, chips)
    assert expected.shape == (3, 16 * (2 if sees == "streams" else 1) * (2 if pool == "both" else 1))
    np.testing.assert_allclose(compile_network(model, tmp_path)(chips), expected, rtol=1e-3, atol=1e-4)


def test_pools_are_the_mean_and_the_maximum_of_the_maps():
    keras.utils.set_random_seed(0)
    pools = ("average", "max", "both")
    models = {pool: backbones.build("toy", SPEC, options=BackboneOptions(pool=pool)) for pool in pools}
    for model in models.values():
        model.set_weights(models["average"].get_weights())
    average, maximum, both = (outputs_of(models[pool], pixels(2)) for pool in pools)
    np.testing.assert_allclose(both, np.concatenate([average, maximum], axis=1), rtol=1e-6)
    assert (maximum >= average).all()


def test_shrinking_averages_squares_of_pixels():
    keras.utils.set_random_seed(0)
    large = backbones.build("toy", ChipSpec(side=64), options=BackboneOptions(shrink=2))
    small = backbones.build("toy", ChipSpec(side=32))
    small.set_weights(large.get_weights())
    chips = pixels(2, 32)
    np.testing.assert_allclose(
        outputs_of(large, chips.repeat(2, axis=1).repeat(2, axis=2)), outputs_of(small, chips), rtol=1e-5
    )


def test_missing_bands_and_sides_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="needs the bands blue, green, red, nir, but the chips have red, green, blue"):
        backbones.build("toy", SPEC, options=BackboneOptions("streams"))
    with pytest.raises(ValueError, match="cannot be shrunk 5 times"):
        backbones.build("toy", SPEC, options=BackboneOptions(shrink=5))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = backbones.BACKBONES["toy"].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    network.layers[1].kernel.assign(np.full(network.layers[1].kernel.shape, np.nan))
    network.save_weights(tmp_path / "nan.weights.h5")
    with pytest.raises(ValueError, match=r"nan\.weights\.h5 holds weights that are not finite numbers"):
        backbones.build("toy", ChipSpec(side=64), weights=str(tmp_path / "nan.weights.h5"))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "dinov2_vits14", "convnext_v2_atto"])
def test_weights_that_nobody_offers_for_download_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} has no weights that can be downloaded.*train --weights {name}=FILE"):
        backbones.build(name, SPEC, weights="imagenet")


@pytest.mark.parametrize("pool", ["class", "patches"])
def test_pools_of_tokens_are_refused_for_feature_maps(pool):
    with pytest.raises(ValueError, match=f"pool {pool} needs a class token, which toy does not have"):
        backbones.build("toy", SPEC, options=BackboneOptions(pool=pool))

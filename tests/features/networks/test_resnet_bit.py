"""Test ResNet with group norms and standardised kernels."""

import keras
import numpy as np
import openvino
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime, truncation
from features.networks.resnet_bit import GroupNorm, StandardisedConv2D, standardise
from tests.features.networks.architectures import outputs_of

SPEC = ChipSpec(side=32)


@pytest.mark.parametrize(
    ("name", "parameters", "blocks"),
    [  # with a classifier of 1,000 labels; ResNet-26 is the sum over its kernels and two weights a channel of each norm
        ("resnet26_bit", 15_987_496, 8),
        pytest.param("resnet50_bit", 25_549_352, 16, marks=pytest.mark.slow),
    ],
)
def test_parameters_with_a_classifier_of_1000_labels_are_those_of_the_original(name, parameters, blocks):
    network = backbones.BACKBONES[name].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    assert network.count_params() + 1000 * (2048 + 1) == parameters
    assert network.output_shape == (None, 2, 2, 2048)
    assert len([layer for layer in network.layers if layer.name.endswith("_add")]) == blocks
    for layer, columns in backbones.BACKBONES[name].truncations.items():
        assert layer in truncation.end_layers(network)
        assert network.get_layer(layer).output.shape[-1] == columns
    keras.utils.clear_session()


def test_standardised_kernels_have_mean_0_and_variance_1_for_each_output():
    kernel = np.random.default_rng(0).normal(0.2, 0.05, (3, 3, 8, 4)).astype(np.float32)
    values = keras.ops.convert_to_numpy(standardise(keras.ops.convert_to_tensor(kernel)))
    np.testing.assert_allclose(values.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(values.var(axis=(0, 1, 2)), 1, rtol=1e-5)
    assert not np.asarray(standardise(keras.ops.ones((3, 3, 8, 4)))).any()  # a constant kernel is no division by 0


def test_the_scale_and_the_mean_of_a_kernel_change_no_output():
    maps = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
    layer = StandardisedConv2D(4, 3, use_bias=False)
    expected = np.asarray(layer(maps))
    (kernel,) = layer.get_weights()
    layer.set_weights([-0.3 + 7 * kernel])
    np.testing.assert_allclose(layer(maps), expected, atol=1e-3)
    plain = keras.layers.Conv2D(4, 3, use_bias=False)
    plain.build(maps.shape)
    plain.set_weights([(kernel - kernel.mean((0, 1, 2))) / kernel.std((0, 1, 2))])
    np.testing.assert_allclose(plain(maps), expected, atol=1e-3)


def test_group_norms_are_those_of_keras():
    maps = np.random.default_rng(0).normal(3, 2, (2, 5, 5, 16)).astype(np.float32)
    rng = np.random.default_rng(1)
    ours, theirs = (kind(4, epsilon=1e-5) for kind in (GroupNorm, keras.layers.GroupNormalization))
    ours.build(maps.shape)
    theirs.build(maps.shape)
    ours.set_weights([rng.normal(size=16), rng.normal(size=16)])
    theirs.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(maps), theirs(maps), atol=1e-5)


@pytest.mark.slow
@pytest.mark.backends
def test_a_compiled_network_has_standardised_kernels_as_constants_and_one_output(tmp_path):
    model = backbones.build("resnet26_bit", SPEC, layer="stage1_block2_relu1")
    chips = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected = outputs_of(model, chips)
    openvino_export.export(model, tmp_path)
    network = openvino_runtime.load(*((tmp_path / name).read_bytes() for name in ("network.xml", "network.bin")))
    assert np.abs(network(chips) - expected).max() <= 1e-4 * np.abs(expected).max()

    graph = openvino.Core().read_model(tmp_path / "network.xml")
    convolutions = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Convolution"]
    kernels = [node.input_value(1).get_node() for node in convolutions]
    assert len(graph.outputs) == 1
    assert len(kernels) == 5
    for kernel in kernels:
        assert kernel.get_type_name() == "Constant"
        np.testing.assert_allclose(kernel.data.var(axis=(1, 2, 3)), 1, rtol=1e-4)

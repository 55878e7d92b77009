"""Test ConvNeXt V2 and its global response normalisation against the numbers of the original."""

import keras
import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.initialisation.start import Start
from features.networks import backbones, openvino_export, openvino_runtime, truncation
from features.networks.convnext_v2 import GlobalResponseNorm
from tests.features.networks.architectures import outputs_of

SPEC = ChipSpec(side=32)
SLOW = pytest.mark.slow


def norms(model):
    (trunk,) = backbones.settled_backbones(model)
    return [layer for layer in trunk.network.layers if isinstance(layer, GlobalResponseNorm)]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("convnext_v2_atto", 3_708_400),
        pytest.param("convnext_v2_femto", 5_233_240, marks=SLOW),
        pytest.param("convnext_v2_pico", 9_066_280, marks=SLOW),
        pytest.param("convnext_v2_nano", 15_623_800, marks=SLOW),
        pytest.param("convnext_v2_tiny", 28_635_496, marks=SLOW),
    ],
)
def test_parameters_with_a_classifier_of_1000_labels_are_those_of_the_original(name, parameters):
    network = backbones.BACKBONES[name].make(input_shape=(64, 64, 3), include_top=False, weights=None)
    width = network.output_shape[-1]
    assert network.count_params() + 1000 * (width + 1) == parameters
    assert network.output_shape == (None, 2, 2, backbones.BACKBONES[name].dim)
    for layer, columns in backbones.BACKBONES[name].truncations.items():
        assert layer in truncation.end_layers(network)
        assert network.get_layer(layer).output.shape[-1] == columns
    keras.utils.clear_session()


def test_the_norm_is_the_identity_at_the_start_and_then_the_formula_of_the_paper():
    maps = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    norm = GlobalResponseNorm()
    np.testing.assert_array_equal(norm(maps), maps)
    norm.set_weights([np.ones(3), np.zeros(3)])
    raised = keras.ops.convert_to_numpy(norm(maps))
    np.testing.assert_allclose(raised[0, -1, -1], [16.823732, 19.977924, 23.461942], rtol=1e-6)
    norm.set_weights([np.ones(3), np.full(3, 0.5)])
    np.testing.assert_allclose(norm(maps), raised + 0.5, rtol=1e-6)


def test_a_channel_without_response_has_finite_gradients():
    image = keras.Input((2, 2, 3))
    network = keras.Model(image, GlobalResponseNorm()(keras.layers.Conv2D(3, 1, use_bias=False)(image)))
    network.layers[-1].set_weights([np.ones(3), np.zeros(3)])
    kernel = np.random.default_rng(0).normal(size=(1, 1, 3, 3))
    kernel[..., 1] = 0
    network.layers[1].set_weights([kernel])
    network.compile("sgd", loss="mse")
    network.train_on_batch(np.ones((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2, 3), np.float32))
    assert all(np.isfinite(value).all() for value in network.get_weights())


def test_redrawn_weights_leave_the_norm_the_identity():
    model = backbones.build("convnext_v2_atto", SPEC, layer="stage1_block1_add", start=Start("random"))
    assert [not value.any() for norm in norms(model) for value in norm.get_weights()] == [True, True]
    (trunk,) = backbones.settled_backbones(model)
    gamma, beta = trunk.network.get_layer("stem_norm").get_weights()
    assert (gamma == 1).all()
    assert not beta.any()


@pytest.mark.slow
@pytest.mark.backends
def test_a_compiled_block_equals_keras_where_the_norm_is_not_the_identity(tmp_path):
    model = backbones.build("convnext_v2_atto", SPEC, layer="stage1_block1_add")
    before = model.get_weights()
    rng = np.random.default_rng(0)
    model.set_weights([value + 0.3 * rng.normal(size=value.shape) for value in before])
    chips = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected = outputs_of(model, chips)
    openvino_export.export(model, tmp_path)
    network = openvino_runtime.load(*((tmp_path / name).read_bytes() for name in ("network.xml", "network.bin")))
    assert np.abs(network(chips) - expected).max() <= 1e-4 * np.abs(expected).max()

    for norm in norms(model):
        norm.set_weights([np.zeros_like(value) for value in norm.get_weights()])
    assert np.abs(outputs_of(model, chips) - expected).max() > 0.01 * np.abs(expected).max()

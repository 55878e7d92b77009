"""Test the layers at which backbones may end."""

from functools import cache

import keras
import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones, truncation
from features.networks.backbone_shapes import BACKBONE_SHAPES
from tests.features.networks.architectures import ARCHITECTURES, outputs_of

SLOW = pytest.mark.slow


@cache
def shapes(name):
    """Build a whole backbone once, without values in its weights: to draw them takes most of the time."""
    with keras.StatelessScope(initialize_variables=False):
        network = backbones.architecture(name)
    keras.utils.clear_session()  # or Keras would give the variables values later
    return network


@pytest.fixture(scope="module")
def mobilenet():
    return shapes("mobilenet_v2_035")


@pytest.mark.parametrize(
    ("name", "layer", "parameters"),
    [
        ("toy", "edges", 608),
        ("toy", "top", 1776),
        pytest.param("resnet50", "top", 23_587_712, marks=SLOW),
        pytest.param("resnet50", "conv4_block6_out", 8_589_184, marks=SLOW),
        pytest.param("resnet50", "conv3_block4_out", 1_460_096, marks=SLOW),
        pytest.param("densenet121", "conv4_block24_concat", 4_318_784, marks=SLOW),
    ],
)
def test_truncated_networks_have_as_many_parameters_as_published(name, layer, parameters):
    assert truncation.count_parameters(shapes(name), layer) == parameters


def test_the_ends_of_blocks_are_their_last_layers(mobilenet):
    ends = truncation.block_ends(mobilenet)
    assert len(ends) == 18  # 17 blocks (Sandler et al. 2018, table 2), and the convolution behind them
    assert ends[:4] == ["expanded_conv_project_BN", "block_1_project_BN", "block_2_add", "block_3_project_BN"]
    assert ends[-2:] == ["block_16_project_BN", "top"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks", "first"),
    [  # the number of blocks as in each paper's table; `top` is the last one where nothing follows it
        ("mobilenet_v3_small", 11 + 1, "expanded_conv_project_bn"),
        ("efficientnet_v2_b0", 21 + 1, "block1a_project_activation"),
        ("efficientnet_lite0", 16 + 1, "block1a_project_bn"),
        ("resnet50", 1 + 16, "pool1_pool"),
        ("resnet50_v2", 1 + 16 + 1, "pool1_pool"),
        ("densenet121", 1 + 58 + 3 + 1, "pool1"),
        ("convnext_tiny", 18 + 1, "convnext_tiny_stage_0_block_0_identity"),
        ("convnext_v2_atto", 12 + 1, "stage1_block1_add"),
        ("resnet26_bit", 8 + 1, "stage1_block1_add"),
        ("phresnet18", 8, "stage1_block1_out"),
        ("vit_tiny_conv", 11 + 1, "block1"),
        ("vgg16", 5, "block1_pool"),
        ("inception_v3", 11, "mixed0"),
        ("xception", 14, "block1_conv2_act"),
        ("dinov2_vits14", 12 + 1, "block1"),
        ("cbr_tiny", 4, "block1_pool"),
    ],
)
def test_every_block_of_each_architecture_has_an_end(name, blocks, first):
    ends = truncation.block_ends(shapes(name))
    assert (len(ends), ends[0], ends[-1]) == (blocks, first, "top")


@pytest.mark.slow
def test_the_table_states_widths_of_layers_that_exist_and_larger_networks_repeat_the_kinds_of_the_smallest():
    kinds = {}
    for name in backbones.BACKBONES:
        network = shapes(name)
        kinds[name] = {type(layer) for layer in network.layers}
        widths = BACKBONE_SHAPES[name].truncations | {"top": BACKBONE_SHAPES[name].dim}
        assert set(widths) <= {*truncation.end_layers(network), "top"}
        assert {end: truncation.vector_width(network, end) for end in widths} == widths
    assert set().union(*kinds.values()) == set().union(*(kinds[name] for name in ARCHITECTURES))


def test_a_network_without_blocks_may_end_at_each_layer():
    assert truncation.block_ends(backbones.architecture("toy")) == ["edges", "top"]
    assert backbones.ends_of("toy") == ["edges", "shapes"]


def test_layers_around_an_end_are_complete(mobilenet):
    around = [f"block_{number}_{part}_relu" for number in (9, 10) for part in ("expand", "depthwise")]
    assert truncation.layers_around(mobilenet, "block_9_add") == around
    assert truncation.layers_around(mobilenet, "top") == []


def test_the_gates_of_squeeze_and_excite_are_no_ends():
    names = truncation.end_layers(shapes("mobilenet_v3_small"))
    assert "expanded_conv_3_squeeze_excite_mul" in names
    assert not {"expanded_conv_3_squeeze_excite_avg_pool", "expanded_conv_3_squeeze_excite_conv"} & set(names)


def test_a_network_with_several_ends_gives_the_vectors_of_each():
    chips = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    ends = ["block_2_add", "top", "block_1_expand_relu"]
    spec = ChipSpec(side=64)
    keras.utils.set_random_seed(0)
    together = outputs_of(backbones.build("mobilenet_v2_035", spec, layer=ends), chips)
    parts = []
    for end in ends:
        keras.utils.set_random_seed(0)
        parts.append(outputs_of(backbones.build("mobilenet_v2_035", spec, layer=end), chips))
    architecture = shapes("mobilenet_v2_035")
    assert [part.shape[1] for part in parts] == [truncation.vector_width(architecture, end) for end in ends]
    np.testing.assert_allclose(together, np.concatenate(parts, axis=1), rtol=1e-5, atol=1e-5)


def test_weights_of_the_whole_file_are_loaded_for_several_ends(tmp_path):
    whole = backbones.architecture("mobilenet_v2_035")
    whole.save_weights(tmp_path / "whole.weights.h5")
    options = {"layer": ["block_2_add", "top"], "weights": str(tmp_path / "whole.weights.h5")}
    one, other = (backbones.build("mobilenet_v2_035", ChipSpec(side=64), **options) for _ in range(2))
    for first, second in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_an_unknown_end_is_refused_with_some_that_are_known(mobilenet):
    with pytest.raises(ValueError, match=r"named block_2_adds; choose one of top, Conv1, .* and 14\d more"):
        truncation.truncate(mobilenet, ["block_2_adds"], "net")


def test_the_ends_up_to_a_layer_are_those_before_it_and_this_layer(mobilenet):
    ends = truncation.block_ends(mobilenet)
    assert truncation.block_ends_up_to(mobilenet, "top") == ends
    assert truncation.block_ends_up_to(mobilenet, ends[3]) == ends[:4]
    assert truncation.block_ends_up_to(mobilenet, "block_3_expand_relu") == [*ends[:3], "block_3_expand_relu"]


@pytest.mark.parametrize("name", ["mobilenet_v2_035", pytest.param("resnet50_v2", marks=SLOW)])
def test_a_network_with_several_ends_has_its_weights_in_the_order_of_one_end(name):
    network = shapes(name)
    ends = truncation.block_ends(network)
    for end in ("top", ends[3]):
        one, many = (
            truncation.truncate(network, chosen, name) for chosen in ((end,), truncation.block_ends_up_to(network, end))
        )
        assert [variable.path for variable in one.weights] == [variable.path for variable in many.weights]

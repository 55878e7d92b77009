"""Test the multiply-adds of exported networks, and their parts."""

import keras
import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime
from features.networks.network_costs import multiply_adds, parameters, split_ends, with_last_layer
from features.networks.openvino_runtime import OutputLayer

EDGES = 15 * 15 * 8 * (5 * 5 * 3)  # places x filters x kernel of a convolution 5 x 5, stride 4, of 64 x 64 pixels
SHAPES = 7 * 7 * 16 * (3 * 3 * 8)
# Sandler et al. 2018 state 300 M with a classifier; this is the sum over their table 2, without its 1280 x 1000.
MOBILENET_V2 = 300_774_272 - 1280 * 1000


def export(model, folder):
    openvino_export.export(model, folder)
    return (folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes()


def test_multiply_adds_of_a_small_network_are_those_counted_by_hand(tmp_path):
    assert multiply_adds(export(backbones.build("toy", ChipSpec(side=64)), tmp_path)) == EDGES + SHAPES


def test_depthwise_and_dense_layers_are_counted(tmp_path):
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    maps = keras.layers.DepthwiseConv2D(3, padding="same")(keras.layers.Rescaling(1 / 255)(pixels))
    vectors = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(maps))
    assert multiply_adds(export(keras.Model(pixels, vectors), tmp_path)) == 8 * 8 * 3 * 9 + 3 * 5


def test_parameters_are_the_numbers_that_are_not_0(tmp_path):
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    dense = keras.layers.Dense(5, bias_initializer="ones")
    model = keras.Model(pixels, dense(keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))))
    full = parameters(export(model, tmp_path))
    assert 0 <= full - (3 * 5 + 5) <= 3  # and what scales the pixels
    kernel = np.array(dense.kernel)
    kernel[:2] = 0
    dense.kernel.assign(kernel)
    assert parameters(export(model, tmp_path)) == full - 2 * 5


def test_a_layer_of_scores_at_the_end_gives_those_of_a_network_that_is_compiled_with_it(toy):
    rng = np.random.default_rng(0)
    dim = openvino_runtime.load(*toy).dim
    last = OutputLayer(*(rng.random(shape, np.float32) + 0.5 for shape in (dim, dim, (dim, 5), 5)))
    files = with_last_layer(toy, last)
    chips = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        openvino_runtime.load(*files)(chips), openvino_runtime.load(*toy, last=last)(chips), atol=1e-6
    )
    assert multiply_adds(files) == multiply_adds(toy) + 5 * dim


@pytest.mark.slow
def test_multiply_adds_of_mobilenet_v2_are_the_published_300_million(tmp_path):
    assert multiply_adds(export(backbones.build("mobilenet_v2", ChipSpec(side=224)), tmp_path)) == MOBILENET_V2


@pytest.mark.slow
def test_attention_is_counted(tmp_path):
    patches, tokens, width = 16 * 16, 1 + 16 * 16, 384
    embedding = patches * width * (14 * 14 * 3)
    block = tokens * (4 * width**2 + 2 * width * 1536) + 2 * tokens**2 * width
    model = backbones.build("dinov2_vits14", ChipSpec(side=224), layer="block1")
    assert multiply_adds(export(model, tmp_path)) == embedding + block


@pytest.mark.parametrize(
    ("name", "side", "ends", "widths"),
    [
        ("toy", 64, ["edges"], [8]),
        ("toy", 64, ["edges", "top"], [8, 16]),
        pytest.param("dinov2_vits14", 28, ["block2", "block1"], [768, 768], marks=pytest.mark.slow),
    ],
)
def test_each_end_of_a_network_is_a_network_that_gives_its_vectors(name, side, ends, widths, tmp_path):
    files = export(backbones.build(name, ChipSpec(side=side), layer=ends), tmp_path)
    chips = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    parts = split_ends(files, widths)
    vectors = [openvino_runtime.load(*part)(chips) for part in parts]
    assert [part.shape for part in vectors] == [(3, width) for width in widths]
    np.testing.assert_allclose(np.concatenate(vectors, axis=1), openvino_runtime.load(*files)(chips), rtol=1e-5)
    if name == "toy":
        assert [multiply_adds(part) for part in parts] == [EDGES, EDGES + SHAPES][: len(ends)]
    else:
        assert multiply_adds(parts[1]) < multiply_adds(parts[0])


def test_widths_that_do_not_fit_the_output_are_refused(tmp_path):
    files = export(backbones.build("toy", ChipSpec(side=64), layer=["edges", "top"]), tmp_path)
    with pytest.raises(ValueError, match="does not consist of vectors of 9, 15 columns"):
        split_ends(files, [9, 15])

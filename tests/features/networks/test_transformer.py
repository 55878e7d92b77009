"""Test the layers of vision transformers against plain NumPy."""

import keras
import numpy as np
import pytest
from scipy.special import erf, softmax

from features.networks.transformer import Tokens, TransformerBlock, resampling_matrix


def disturb(layer, scale: float) -> None:
    """Give a layer weights of which none is 0 or 1."""
    rng = np.random.default_rng(1)
    layer.set_weights([value + scale * rng.normal(size=value.shape) for value in layer.get_weights()])


@pytest.mark.parametrize("layer_scale", [True, False])
def test_a_block_computes_what_the_formula_says(layer_scale):
    tokens = np.random.default_rng(0).normal(size=(2, 5, 384))
    block = TransformerBlock(width=384, heads=6, mlp_width=1536, layer_scale=layer_scale, name="block1")
    block = TransformerBlock.from_config(block.get_config())
    block.build((None, 5, 384))
    disturb(block, 0.05)
    weights = {variable.path.removeprefix("block1/"): np.array(variable, np.float64) for variable in block.weights}
    assert ("ls1" in weights) == layer_scale

    def norm(values, name):
        values = (values - values.mean(-1, keepdims=True)) / np.sqrt(values.var(-1, keepdims=True) + 1e-6)
        return values * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def dense(values, name):
        return values @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    entry = norm(tokens, "norm1")
    query, key, value = (dense(entry, f"attn/{name}").reshape(2, 5, 6, 64) for name in ("query", "key", "value"))
    attention = softmax(np.einsum("bqhc,bkhc->bhqk", query, key) / 8, axis=-1)
    mixed = np.einsum("bhqk,bkhc->bqhc", attention, value).reshape(2, 5, 384)
    middle = tokens + weights.get("ls1", 1) * dense(mixed, "attn/proj")
    hidden = dense(norm(middle, "norm2"), "mlp/fc1")
    expected = middle + weights.get("ls2", 1) * dense(hidden * (1 + erf(hidden / np.sqrt(2))) / 2, "mlp/fc2")

    output = keras.ops.convert_to_numpy(block(tokens.astype(np.float32)))
    np.testing.assert_allclose(output, expected, atol=1e-3)


@pytest.mark.parametrize("side", [4, 14, 16])
def test_positions_are_resampled_for_the_side_of_the_image(side):
    layer = Tokens(14)
    patches = np.random.default_rng(0).normal(size=(2, side, side, 8)).astype(np.float32)
    tokens = keras.ops.convert_to_numpy(layer(patches))
    assert tokens.shape == (2, 1 + side**2, 8) == (2, *layer.compute_output_shape((None, side, side, 8))[1:])
    matrix, grid = resampling_matrix(side, 14), np.array(layer.pos_grid)
    expected = patches + np.einsum("pi,ijc,qj->pqc", matrix, grid, matrix)
    np.testing.assert_allclose(tokens[:, 1:].reshape(patches.shape), expected, atol=1e-5)
    np.testing.assert_allclose(tokens[:, 0], (np.array(layer.cls_token) + layer.pos_cls)[0].repeat(2, 0), atol=1e-6)


@pytest.mark.parametrize("grid", [14, 37])
def test_the_rows_of_a_resampling_matrix_sum_to_one(grid):
    for side in (1, 2, 16, 18, 37, 40):
        matrix = resampling_matrix(side, grid)
        assert matrix.shape == (side, grid)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
        np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)
    np.testing.assert_array_equal(resampling_matrix(grid, grid), np.eye(grid))

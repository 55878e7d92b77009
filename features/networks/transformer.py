"""Layers of vision transformers (Dosovitskiy et al. 2021): tokens with positions, and blocks of attention.

The weights do not depend on the image's side: the table of positions is resampled in the network.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from features.arrays import Floats

EPSILON = 1e-6  # of the layer norms
BICUBIC = -0.75  # the parameter of the cubic (Keys 1981) that DINOv2's own smaller tables were resampled with


@keras.saving.register_keras_serializable("amazon_tags")
class Tokens(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """Put the class token before the patches, and add to each the vector of its position.

    Args:
        grid: Patches along a side of the stored table of positions.
        options: Of any layer.
    """

    def __init__(self, grid: int, **options: Any) -> None:
        super().__init__(**options)
        self.grid = grid

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, and the matrix that resamples the table for the side of this image."""
        self.width = int(input_shape[-1] or 0)
        options = {"initializer": keras.initializers.TruncatedNormal(stddev=0.02, seed=0), "autocast": False}
        self.cls_token = self.add_weight((1, 1, self.width), name="cls_token", **options)
        self.pos_cls = self.add_weight((1, 1, self.width), name="pos_cls", **options)
        name = f"pos_grid_{self.grid}x{self.grid}"
        self.pos_grid = self.add_weight((self.grid, self.grid, self.width), name=name, **options)
        self.side = int(input_shape[1] or 0)
        self.matrix = resampling_matrix(self.side, self.grid).astype(np.float32)

    def call(self, patches: Any) -> Any:
        """Return tokens (batch, 1 + patches, width) of patches (batch, side, side, width)."""
        matrix = ops.convert_to_tensor(self.matrix)
        rows = ops.matmul(matrix, ops.reshape(self.pos_grid, (self.grid, -1)))
        rows = ops.reshape(rows, (self.side, self.grid, self.width))
        places = ops.reshape(ops.matmul(matrix, rows), (1, self.side**2, self.width))

        first = ops.cast(self.cls_token + self.pos_cls, self.compute_dtype)
        others = ops.reshape(patches, (-1, self.side**2, self.width)) + ops.cast(places, self.compute_dtype)
        return ops.concatenate([first + ops.zeros_like(others[:, :1]), others], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the tokens."""
        return (input_shape[0], 1 + int(input_shape[1] or 0) ** 2, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        return {**super().get_config(), "grid": self.grid}


@keras.saving.register_keras_serializable("amazon_tags")
class TransformerBlock(keras.Layer):  # type: ignore[misc]
    """Attention and a perceptron, each after a layer norm and added to what it reads.

    Args:
        width: Columns of the tokens.
        heads: Of the attention.
        mlp_width: Columns inside the perceptron.
        layer_scale: Whether both are added with a learned scale (Touvron et al. 2021, LayerScale).
        options: Of any layer.
    """

    def __init__(self, *, width: int, heads: int, mlp_width: int, layer_scale: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.heads, self.mlp_width, self.layer_scale = width, heads, mlp_width, layer_scale
        self.norm1, self.norm2 = (layers.LayerNormalization(epsilon=EPSILON, name=f"norm{i}") for i in (1, 2))
        self.query, self.key, self.value, self.proj = (
            layers.Dense(width, name=name) for name in ("query", "key", "value", "proj")
        )
        self.fc1 = layers.Dense(mlp_width, name="fc1")
        self.fc2 = layers.Dense(width, name="fc2")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, under the names that DINOv2's weight file has."""
        if self.layer_scale:
            self.ls1, self.ls2 = (self.add_weight((self.width,), initializer="ones", name=f"ls{i}") for i in (1, 2))
        for norm in (self.norm1, self.norm2):
            norm.build(input_shape)
        with keras.name_scope("attn"):
            for dense in (self.query, self.key, self.value, self.proj):
                dense.build(input_shape)
        with keras.name_scope("mlp"):
            self.fc1.build(input_shape)
            self.fc2.build((*input_shape[:-1], self.mlp_width))

    def call(self, tokens: Any) -> Any:
        """Return tokens (batch, tokens, width)."""
        mixed = self._attend(self.norm1(tokens))
        tokens = tokens + (self.ls1 * mixed if self.layer_scale else mixed)
        hidden = self.fc2(ops.gelu(self.fc1(self.norm2(tokens)), approximate=False))
        return tokens + (self.ls2 * hidden if self.layer_scale else hidden)

    def _attend(self, tokens: Any) -> Any:
        """Return the attention of all heads (Vaswani et al. 2017, section 3.2)."""
        count, size = tokens.shape[1], self.width // self.heads
        queries, keys, values = (
            ops.transpose(ops.reshape(dense(tokens), (-1, count, self.heads, size)), (0, 2, 1, 3))
            for dense in (self.query, self.key, self.value)
        )
        scores = ops.matmul(queries * size**-0.5, ops.transpose(keys, (0, 1, 3, 2)))
        mixed = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), values), (0, 2, 1, 3))
        return self.proj(ops.reshape(mixed, (-1, count, self.width)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the tokens."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        sizes = {"width": self.width, "heads": self.heads, "mlp_width": self.mlp_width}
        return {**super().get_config(), **sizes, "layer_scale": self.layer_scale}


def resampling_matrix(side: int, grid: int) -> Floats:
    """Return the matrix (side, grid) that resamples a row of the table of positions, bicubic, without antialiasing.

    Samples are at the centres of equal parts; beyond the ends the outermost value is repeated.
    """
    if side == grid:
        return np.eye(grid)
    matrix = np.zeros((side, grid))
    for row in range(side):
        place = (row + 0.5) * grid / side - 0.5
        for column in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            matrix[row, np.clip(column, 0, grid - 1)] += _cubic(abs(place - column))
    return matrix


def _cubic(distance: float) -> float:
    """Return the weight of a sample at a distance below 2 (Keys 1981, equation 4 for any parameter)."""
    if distance <= 1:
        return ((BICUBIC + 2) * distance - (BICUBIC + 3)) * distance**2 + 1
    return BICUBIC * (((distance - 5) * distance + 8) * distance - 4)

"""DINOv2 ViT-S/14 (Oquab et al. 2023): a vision transformer (Dosovitskiy et al. 2021) that was trained without labels.

The image is divided into patches of 14 x 14 pixels. Each becomes a token of 384 numbers, a class token is put before
them, and 12 blocks follow. The weights do not depend on the image's side: the table of positions is stored for 37 x 37
patches (518 pixels) and resampled in the network.
"""

import re
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from features.arrays import Floats
from features.networks.backbone_shapes import BACKBONE_SHAPES

PATCH = BACKBONE_SHAPES["dinov2_vits14"].patch
WIDTH, HEADS, BLOCKS, MLP_WIDTH = 384, 6, 12, 1536
GRID = 37  # patches along a side of the stored table of positions
EPSILON = 1e-6  # of the layer norms
BICUBIC = -0.75  # the parameter of the cubic (Keys 1981) that the weights' own smaller tables were resampled with
SPARE_ARRAYS = ("pos_grid_16x16", "pos_grid_18x18")  # resampled tables in the weight file; the network makes its own


@keras.saving.register_keras_serializable("amazon_tags")
class Tokens(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """Put the class token before the patches, and add to each the vector of its position."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, and the matrix that resamples the table for the side of this image."""
        options = {"initializer": keras.initializers.TruncatedNormal(stddev=0.02, seed=0), "autocast": False}
        self.cls_token = self.add_weight((1, 1, WIDTH), name="cls_token", **options)
        self.pos_cls = self.add_weight((1, 1, WIDTH), name="pos_cls", **options)
        self.pos_grid = self.add_weight((GRID, GRID, WIDTH), name=f"pos_grid_{GRID}x{GRID}", **options)
        self.side = int(input_shape[1] or 0)
        self.matrix = resampling_matrix(self.side).astype(np.float32)

    def call(self, patches: Any) -> Any:
        """Return tokens (batch, 1 + patches, 384) of patches (batch, side, side, 384)."""
        matrix = ops.convert_to_tensor(self.matrix)
        rows = ops.reshape(ops.matmul(matrix, ops.reshape(self.pos_grid, (GRID, -1))), (self.side, GRID, WIDTH))
        grid = ops.reshape(ops.matmul(matrix, rows), (1, self.side**2, WIDTH))

        first = ops.cast(self.cls_token + self.pos_cls, self.compute_dtype)
        others = ops.reshape(patches, (-1, self.side**2, WIDTH)) + ops.cast(grid, self.compute_dtype)
        return ops.concatenate([first + ops.zeros_like(others[:, :1]), others], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the tokens."""
        return (input_shape[0], 1 + int(input_shape[1] or 0) ** 2, WIDTH)


@keras.saving.register_keras_serializable("amazon_tags")
class TransformerBlock(keras.Layer):  # type: ignore[misc]
    """Attention and a perceptron, each after a layer norm and added with a learned scale (Touvron et al. 2021)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.norm1, self.norm2 = (layers.LayerNormalization(epsilon=EPSILON, name=f"norm{i}") for i in (1, 2))
        self.query, self.key, self.value, self.proj = (
            layers.Dense(WIDTH, name=name) for name in ("query", "key", "value", "proj")
        )
        self.fc1 = layers.Dense(MLP_WIDTH, name="fc1")
        self.fc2 = layers.Dense(WIDTH, name="fc2")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights, under the names that the weight file has."""
        self.ls1, self.ls2 = (self.add_weight((WIDTH,), initializer="ones", name=f"ls{i}") for i in (1, 2))
        for norm in (self.norm1, self.norm2):
            norm.build(input_shape)
        with keras.name_scope("attn"):
            for dense in (self.query, self.key, self.value, self.proj):
                dense.build(input_shape)
        with keras.name_scope("mlp"):
            self.fc1.build(input_shape)
            self.fc2.build((*input_shape[:-1], MLP_WIDTH))

    def call(self, tokens: Any) -> Any:
        """Return tokens (batch, tokens, 384)."""
        tokens = tokens + self.ls1 * self._attend(self.norm1(tokens))
        hidden = ops.gelu(self.fc1(self.norm2(tokens)), approximate=False)
        return tokens + self.ls2 * self.fc2(hidden)

    def _attend(self, tokens: Any) -> Any:
        """Return the attention of all heads (Vaswani et al. 2017, section 3.2)."""
        count, size = tokens.shape[1], WIDTH // HEADS
        queries, keys, values = (
            ops.transpose(ops.reshape(dense(tokens), (-1, count, HEADS, size)), (0, 2, 1, 3))
            for dense in (self.query, self.key, self.value)
        )
        scores = ops.matmul(queries * size**-0.5, ops.transpose(keys, (0, 1, 3, 2)))
        mixed = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), values), (0, 2, 1, 3))
        return self.proj(ops.reshape(mixed, (-1, count, WIDTH)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the tokens."""
        return input_shape


def make(
    *,
    input_shape: tuple[int, int, int],
    include_top: bool = False,  # noqa: ARG001  the arguments of `keras.applications`
    weights: None = None,  # noqa: ARG001
) -> keras.Model:
    """Build the network from images, scaled by ImageNet's mean and deviation, to tokens (batch, 1 + patches, 384).

    The first token is the class token. `block1` to `block12` are the blocks' outputs; a last norm follows.
    """
    image = keras.Input(input_shape)
    patches = layers.Conv2D(WIDTH, PATCH, PATCH, name="patch_embed")(image)
    tokens = Tokens(name="tokens")(patches)
    for number in range(1, BLOCKS + 1):
        tokens = TransformerBlock(name=f"block{number}")(tokens)
    return keras.Model(image, layers.LayerNormalization(epsilon=EPSILON, name="norm")(tokens), name="dinov2_vits14")


def array_name(path: str) -> str:
    """Return the name of a variable in the weight file, which counts blocks from 0.

    Example:
        >>> array_name("block8/attn/query/kernel"), array_name("tokens/cls_token")
        ('block7/attn/query/kernel', 'cls_token')
    """
    return re.sub(r"^block(\d+)", lambda match: f"block{int(match[1]) - 1}", path.removeprefix("tokens/"))


def resampling_matrix(side: int) -> Floats:
    """Return the matrix (side, 37) that resamples a row of the table of positions, bicubic, without antialiasing.

    Samples are at the centres of equal parts; beyond the ends the outermost value is repeated.
    """
    if side == GRID:
        return np.eye(GRID)
    matrix = np.zeros((side, GRID))
    for row in range(side):
        place = (row + 0.5) * GRID / side - 0.5
        for column in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            matrix[row, np.clip(column, 0, GRID - 1)] += _cubic(abs(place - column))
    return matrix


def _cubic(distance: float) -> float:
    """Return the weight of a sample at a distance below 2 (Keys 1981, equation 4 for any parameter)."""
    if distance <= 1:
        return ((BICUBIC + 2) * distance - (BICUBIC + 3)) * distance**2 + 1
    return BICUBIC * (((distance - 5) * distance + 8) * distance - 4)

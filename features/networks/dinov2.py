"""DINOv2 ViT-S/14 (Oquab et al. 2023): a vision transformer (Dosovitskiy et al. 2021) that was trained without labels.

The image is divided into patches of 14 x 14 pixels. Each becomes a token of 384 numbers, a class token is put before
them, and 12 blocks follow. The weights do not depend on the image's side: the table of positions is stored for 37 x 37
patches (518 pixels) and resampled in the network.
"""

import re

import keras
from keras import layers

from features.networks.backbone_shapes import BACKBONE_SHAPES
from features.networks.transformer import EPSILON, Tokens, TransformerBlock

PATCH = BACKBONE_SHAPES["dinov2_vits14"].patch
WIDTH, HEADS, BLOCKS, MLP_WIDTH = 384, 6, 12, 1536
GRID = 37  # patches along a side of the stored table of positions
SPARE_ARRAYS = ("pos_grid_16x16", "pos_grid_18x18")  # resampled tables in the weight file; the network makes its own


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
    tokens = Tokens(GRID, name="tokens")(patches)
    for number in range(1, BLOCKS + 1):
        block = TransformerBlock(width=WIDTH, heads=HEADS, mlp_width=MLP_WIDTH, layer_scale=True, name=f"block{number}")
        tokens = block(tokens)
    return keras.Model(image, layers.LayerNormalization(epsilon=EPSILON, name="norm")(tokens), name="dinov2_vits14")


def array_name(path: str) -> str:
    """Return the name of a variable in the weight file, which counts blocks from 0.

    Example:
        >>> array_name("block8/attn/query/kernel"), array_name("tokens/cls_token")
        ('block7/attn/query/kernel', 'cls_token')
    """
    return re.sub(r"^block(\d+)", lambda match: f"block{int(match[1]) - 1}", path.removeprefix("tokens/"))

"""ViT of the sizes tiny and small, with patches or with a stem of convolutions, to train from nothing.

The sizes are those of Touvron et al. 2021, table 1 (DeiT-Ti, DeiT-S). With patches, one convolution makes a token of
each 16 x 16 pixels (Dosovitskiy et al. 2021, section 3.1). The stem of convolutions (Xiao et al. 2021, section 3) makes
as many tokens by four steps that each halve the side, and a block fewer follows, for about the same cost.
"""

import keras
from keras import layers

from features.networks.transformer import EPSILON, Tokens, TransformerBlock

PATCH = 16  # pixels
GRID = 14  # patches along a side of the stored table of positions: of 224 pixels
BLOCKS = 12
HEAD_WIDTH = 64  # columns of each head of the attention
MLP_RATIO = 4


def make(
    *,
    width: int,
    convolutions: bool,
    name: str,
    input_shape: tuple[int, int, int],
    include_top: bool = False,  # noqa: ARG001  the arguments of `keras.applications`
    weights: None = None,  # noqa: ARG001
) -> keras.Model:
    """Build the network from images, scaled by ImageNet's mean and deviation, to tokens (batch, 1 + patches, width).

    The first token is the class token. `block1` and so on are the blocks' outputs; a last norm follows.

    Args:
        width: Columns of the tokens.
        convolutions: Whether the stem of convolutions takes the place of patches and of the last block.
        name: Of the model.
        input_shape: Side, side and channels of the images; the side is a multiple of 16.
        include_top: Ignored; there is no classifier.
        weights: Ignored; none can be downloaded.
    """
    image = keras.Input(input_shape)
    patches = _convolve(image, width) if convolutions else layers.Conv2D(width, PATCH, PATCH, name="patch_embed")(image)
    tokens = Tokens(GRID, name="tokens")(patches)
    for number in range(1, BLOCKS + (not convolutions)):
        heads, mlp_width = width // HEAD_WIDTH, MLP_RATIO * width
        tokens = TransformerBlock(width=width, heads=heads, mlp_width=mlp_width, name=f"block{number}")(tokens)
    return keras.Model(image, layers.LayerNormalization(epsilon=EPSILON, name="norm")(tokens), name=name)


def _convolve(image: keras.KerasTensor, width: int) -> keras.KerasTensor:
    """Return the patches: four convolutions of stride 2, each with a batch norm and a ReLU, and a linear one."""
    maps = image
    for number, share in enumerate((8, 4, 2, 1), 1):
        convolution = layers.Conv2D(width // share, 3, 2, "same", use_bias=False, name=f"stem_conv{number}")
        maps = layers.BatchNormalization(epsilon=1e-5, name=f"stem_bn{number}")(convolution(maps))
        maps = layers.ReLU(name=f"stem_relu{number}")(maps)
    return layers.Conv2D(width, 1, name="patch_embed")(maps)

"""The CBR family: small plain networks, an honest baseline that is trained from nothing (Raghu et al. 2019).

A block is a convolution without bias, a batch norm, a ReLU and a maximum over 3 x 3 places with stride 2. Layers are
named `block1_conv`, `block1_bn`, `block1_relu`, `block1_pool`.
"""

from collections.abc import Sequence

import keras
from keras import layers


def make(
    *,
    channels: Sequence[int],
    kernel: int,
    name: str,
    input_shape: tuple[int, int, int],
    include_top: bool = False,  # noqa: ARG001  the arguments of `keras.applications`
    weights: None = None,  # noqa: ARG001
) -> keras.Model:
    """Build the network from images, -1..1, to feature maps, with random weights.

    Args:
        channels: Of each block; each halves the side.
        kernel: The side of the kernels.
        name: Of the model.
        input_shape: Side, side and channels of the images.
        include_top: Ignored; there is no classifier.
        weights: Ignored; none can be downloaded.
    """
    maps = image = keras.Input(input_shape)
    for number, count in enumerate(channels, 1):
        block = f"block{number}"
        maps = layers.Conv2D(count, kernel, padding="same", use_bias=False, name=f"{block}_conv")(maps)
        maps = layers.ReLU(name=f"{block}_relu")(layers.BatchNormalization(name=f"{block}_bn")(maps))
        maps = layers.MaxPooling2D(3, 2, padding="same", name=f"{block}_pool")(maps)
    return keras.Model(image, maps, name=name)

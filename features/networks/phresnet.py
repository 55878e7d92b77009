"""ResNet of hypercomplex convolutions (Grassucci et al. 2022; Lopez et al. 2022), without its classifier.

A chip's bands are the components of hypercomplex numbers: four bands are one quaternion a pixel. Every convolution is a
`PHConv2D` of that many components, so the network has about 1 / n of the weights of the real one. The blocks are those
of ResNet (He et al. 2015, figure 5), each convolution with a batch norm behind it. Layers are named
`stage1_block1_conv1`, `norm1`, `relu1` and so on, `shortcut_conv`, `add` and `out`, the block's last ReLU.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import layers

from features.networks.hypercomplex import PHConv2D

Convolution = Callable[..., keras.Layer]
NORM_EPSILON = 1e-5
EXPANSION = 4  # of a bottleneck's channels in its output
WIDTH = 64  # channels of the first stage, doubled in each further one; rounded to the nearest multiple of n


def make(
    *,
    depths: Sequence[int],
    kernels: Sequence[int],
    name: str,
    input_shape: tuple[int, int, int],
    components: int = 0,
    **_: Any,
) -> keras.Model:
    """Build the network from images, about mean 0, to feature maps (batch, side / 32, side / 32, channels).

    Further arguments of `keras.applications` are ignored: there are no classifier and no weights to download.

    Args:
        depths: The number of blocks of each stage.
        kernels: The sides of the kernels of a block. The outputs of a third convolution have four times the channels.
        name: Of the model.
        input_shape: Side, side and bands of the images.
        components: n of all convolutions; 0 for as many as there are bands. 1 makes a real network.
    """
    count = components or input_shape[-1]
    convolution = partial(PHConv2D, components=count, use_bias=False)
    image = keras.Input(input_shape)
    maps = _convolve(image, _multiple(WIDTH, count), "stem_{}", convolution, kernel=7, stride=2)
    maps = layers.ReLU(name="stem_relu")(maps)
    maps = layers.MaxPooling2D(3, 2, name="stem_pool")(layers.ZeroPadding2D(name="stem_pool_pad")(maps))
    for stage, depth in enumerate(depths, 1):
        widths = [_multiple(WIDTH * 2 ** (stage - 1), count)] * 2
        widths += [widths[0] * EXPANSION] * (len(kernels) - 2)
        for place in range(1, depth + 1):
            stride = 2 if place == 1 < stage else 1
            block = list(zip(widths, kernels, strict=True))
            maps = _block(maps, f"stage{stage}_block{place}", block, convolution, stride=stride)
    return keras.Model(image, maps, name=name)


def _multiple(width: int, components: int) -> int:
    """Return the multiple of n that is nearest to a width, the larger one of two."""
    return max(1, (2 * width + components) // (2 * components)) * components


def _block(
    maps: keras.KerasTensor, name: str, block: Sequence[tuple[int, int]], convolution: Convolution, *, stride: int
) -> keras.KerasTensor:
    """Append convolutions of these widths and kernels, the sum with what enters them, and a ReLU.

    The first kernel of 3 x 3 has the stride.
    """
    entry = maps
    strided = next(number for number, (_, kernel) in enumerate(block) if kernel > 1)
    for number, (width, kernel) in enumerate(block):
        step = stride if number == strided else 1
        maps = _convolve(maps, width, f"{name}_{{}}{number + 1}", convolution, kernel=kernel, stride=step)
        if number + 1 < len(block):
            maps = layers.ReLU(name=f"{name}_relu{number + 1}")(maps)
    if entry.shape != maps.shape:
        entry = _convolve(entry, maps.shape[-1], f"{name}_shortcut_{{}}", convolution, stride=stride)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([entry, maps]))


def _convolve(
    maps: keras.KerasTensor, width: int, name: str, convolution: Convolution, *, kernel: int = 1, stride: int = 1
) -> keras.KerasTensor:
    """Append a convolution without bias, and a norm; the zeros around the maps are as many on each side."""
    if kernel > 1:
        maps = layers.ZeroPadding2D(kernel // 2, name=name.format("pad"))(maps)
    maps = convolution(width, kernel, strides=stride, name=name.format("conv"))(maps)
    return layers.BatchNormalization(epsilon=NORM_EPSILON, name=name.format("norm"))(maps)

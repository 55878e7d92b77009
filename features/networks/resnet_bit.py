"""ResNet with group norms and standardised kernels (BiT, Kolesnikov et al. 2020, section 2.1), without its classifier.

The blocks are those of ResNet V2 (He et al. 2016, figure 4e): norm and ReLU come before each convolution. No layer
depends on the other images of a batch, so that small batches train as large ones do. Layers are named
`stage1_block1_norm1`, `relu1`, `conv1` and so on to `conv3`, `shortcut` and `add`. Between blocks there are raw sums:
truncate after a norm and a ReLU.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

KERNEL_EPSILON = 1e-10  # of a kernel's variance
NORM_EPSILON = 1e-5
GROUPS = 32  # of each norm


@keras.saving.register_keras_serializable("amazon_tags")
class StandardisedConv2D(layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    """A convolution by kernels of mean 0 and variance 1 over height, width and inputs (Qiao et al. 2019, section 3).

    The stored kernel is standardised in each forward pass. OpenVINO does that once, when the network is exported.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Return the convolution by the standardised kernel."""
        return super().convolution_op(inputs, standardise(kernel))


@keras.saving.register_keras_serializable("amazon_tags")
class GroupNorm(layers.GroupNormalization):  # type: ignore[misc]
    """A group norm (Wu and He 2018, section 3.1) of maps whose side is known.

    Keras' own asks for the side in the graph, and each of these questions would become an output of OpenVINO's network.
    """

    def call(self, inputs: Any) -> Any:
        """Return maps of the same shape."""
        side, other, channels = inputs.shape[1:]
        groups = ops.reshape(ops.cast(inputs, "float32"), (-1, side, other, self.groups, channels // self.groups))
        normal = ops.reshape(_normal(groups, (1, 2, 4), self.epsilon), (-1, side, other, channels))
        return ops.cast(normal * self.gamma + self.beta, self.compute_dtype)


def standardise(kernel: Any) -> Any:
    """Return a kernel (height, width, inputs, outputs) with mean 0 and variance 1 for each output."""
    values = ops.cast(kernel, "float32")  # the epsilon is 0 in float16
    return ops.cast(_normal(values, (0, 1, 2), KERNEL_EPSILON), kernel.dtype)


def _normal(values: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """Return values with mean 0 and variance 1 over axes."""
    centred = values - ops.mean(values, axis=axes, keepdims=True)
    return centred * ops.rsqrt(ops.mean(ops.square(centred), axis=axes, keepdims=True) + epsilon)


def make(
    *,
    depths: Sequence[int],
    name: str,
    input_shape: tuple[int, int, int],
    include_top: bool = False,  # noqa: ARG001  the arguments of `keras.applications`
    weights: None = None,  # noqa: ARG001
) -> keras.Model:
    """Build the network from images, -1..1, to feature maps (batch, side / 32, side / 32, 2048).

    Args:
        depths: The number of blocks of each stage.
        name: Of the model.
        input_shape: Side, side and channels of the images.
        include_top: Ignored; there is no classifier.
        weights: Ignored; none can be downloaded.
    """
    image = keras.Input(input_shape)
    maps = _convolve(image, 64, "stem_conv", kernel=7, stride=2)
    maps = layers.MaxPooling2D(3, 2, name="stem_pool")(layers.ZeroPadding2D(name="stem_pool_pad")(maps))
    for stage, depth in enumerate(depths, 1):
        for place in range(1, depth + 1):
            stride = 2 if place == 1 < stage else 1
            maps = _block(maps, f"stage{stage}_block{place}", 32 * 2**stage, stride)
    return keras.Model(image, _normalise(maps, "last_", ""), name=name)


def _block(maps: keras.KerasTensor, name: str, channels: int, stride: int) -> keras.KerasTensor:
    """Append a bottleneck: three convolutions, the last one to four times the channels, and the sum."""
    entry, maps = maps, _normalise(maps, f"{name}_", "1")
    if entry.shape[-1] != 4 * channels or stride > 1:
        entry = _convolve(maps, 4 * channels, f"{name}_shortcut", stride=stride)
    maps = _normalise(_convolve(maps, channels, f"{name}_conv1"), f"{name}_", "2")
    maps = _normalise(_convolve(maps, channels, f"{name}_conv2", kernel=3, stride=stride), f"{name}_", "3")
    return layers.Add(name=f"{name}_add")([entry, _convolve(maps, 4 * channels, f"{name}_conv3")])


def _convolve(
    maps: keras.KerasTensor, channels: int, name: str, *, kernel: int = 1, stride: int = 1
) -> keras.KerasTensor:
    """Append a convolution without bias; the zeros around the maps are as many on each side."""
    if kernel > 1:
        maps = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(maps)
    return StandardisedConv2D(channels, kernel, stride, use_bias=False, name=name)(maps)


def _normalise(maps: keras.KerasTensor, before: str, after: str) -> keras.KerasTensor:
    norm = GroupNorm(GROUPS, epsilon=NORM_EPSILON, name=f"{before}norm{after}")
    return layers.ReLU(name=f"{before}relu{after}")(norm(maps))

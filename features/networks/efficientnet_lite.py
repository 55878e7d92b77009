"""EfficientNet-Lite 0, 1 and 2 without their classifier: EfficientNet (Tan and Le 2019) for phones.

They have ReLU6 in place of swish and no squeeze-and-excitation, so that they quantise well. All convolutions are
without bias, each followed by a batch norm. Layers have the names of the original; the ReLU6 after `block6a_expand_bn`
is `block6a_expand`, and the sum at the end of a block is `block6b_add`.
"""

import math

import keras
from keras import layers

EPSILON = 1e-3  # of the batch norms
STEM, TOP = 32, 1280  # channels, in every variant
# Repeats, kernel, stride, expansion and channels of each stage (Tan and Le 2019, table 1).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def make(
    *,
    width: float,
    depth: float,
    name: str,
    input_shape: tuple[int, int, int],
    include_top: bool = False,  # noqa: ARG001  the arguments of `keras.applications`
    weights: None = None,  # noqa: ARG001
) -> keras.Model:
    """Build the network from images, -1..1, to feature maps (batch, side / 32, side / 32, 1280), with random weights.

    Args:
        width: The channels are multiplied by it and rounded to a multiple of 8; not those of the stem and the top.
        depth: The repeats of a stage are multiplied by it and rounded up; not those of the first and the last stage.
        name: Of the model.
        input_shape: Side, side and channels of the images.
        include_top: Ignored; there is no classifier.
        weights: Ignored; none can be downloaded.
    """
    image = keras.Input(input_shape)
    maps = _activate(_convolve(image, STEM, "stem", kernel=3, stride=2), "stem")
    for number, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, 1):
        is_scaled = 1 < number < len(STAGES)
        for place in range(math.ceil(repeats * depth) if is_scaled else repeats):
            block = f"block{number}{chr(ord('a') + place)}"
            strides = 1 if place else stride
            maps = _block(maps, block, (kernel, strides), expansion, _round_channels(channels * width))
    return keras.Model(image, _activate(_convolve(maps, TOP, "top"), "top"), name=name)


def _block(
    maps: keras.KerasTensor, name: str, kernel_stride: tuple[int, int], expansion: int, channels: int
) -> keras.KerasTensor:
    """Append an inverted residual block (Sandler et al. 2018): expand, filter each channel, project, add."""
    kernel, stride = kernel_stride
    entry = maps
    if expansion > 1:
        maps = _activate(_convolve(maps, maps.shape[-1] * expansion, f"{name}_expand"), f"{name}_expand")
    depthwise = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_dwconv")
    maps = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_dw_bn")(depthwise(maps))
    maps = _convolve(_activate(maps, f"{name}_dw"), channels, f"{name}_project")
    return layers.Add(name=f"{name}_add")([entry, maps]) if entry.shape == maps.shape else maps


def _convolve(
    maps: keras.KerasTensor, channels: int, name: str, *, kernel: int = 1, stride: int = 1
) -> keras.KerasTensor:
    convolution = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")
    return layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(convolution(maps))


def _activate(maps: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(6.0, name=name)(maps)


def _round_channels(channels: float) -> int:
    """Return the nearest multiple of 8, or the next one where that would lose more than a tenth."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest

"""ConvNeXt V2 (Woo et al. 2023) without its classifier: ConvNeXt with global response normalisation.

Each stage but the first begins with a norm and a convolution that halves the side; its blocks are named
`stage2_block1`, with the layers `conv`, `norm`, `expand`, `gelu`, `grn`, `project` and `add`. The last norm is at
each place of the maps, before any pooling, as in `keras.applications.ConvNeXtTiny`; the original has it behind the
mean over the places.
"""

from typing import Any

import keras
from keras import layers, ops

EPSILON = 1e-6  # of the layer norms, and of the division by the mean response
SIZES = {  # blocks and channels of each stage (the paper's appendix)
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
}
LEAST_SQUARE = 1e-12  # a channel that is 0 everywhere gets a gradient of 0: that of the square root is infinite at 0


@keras.saving.register_keras_serializable("amazon_tags")
class GlobalResponseNorm(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """Raise channels whose response is above the mean channel's, and lower the others (section 4, algorithm 1).

    The response of a channel is its Euclidean norm over all places of an image. The input is added, so that the layer
    changes nothing at the start, where both weights are 0.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        self.gamma, self.beta = (
            self.add_weight((input_shape[-1],), initializer="zeros", name=name) for name in ("gamma", "beta")
        )

    def call(self, maps: Any) -> Any:
        """Return maps of the same shape."""
        squares = ops.sum(ops.square(ops.cast(maps, "float32")), axis=(1, 2), keepdims=True)
        responses = ops.sqrt(ops.maximum(squares, LEAST_SQUARE))
        shares = responses / (ops.mean(responses, axis=-1, keepdims=True) + EPSILON)
        return maps + self.gamma * (maps * ops.cast(shares, self.compute_dtype)) + self.beta

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the maps."""
        return input_shape


def make(
    *,
    size: str,
    input_shape: tuple[int, int, int],
    include_top: bool = False,  # noqa: ARG001  the arguments of `keras.applications`
    weights: None = None,  # noqa: ARG001
) -> keras.Model:
    """Build the network from images, scaled by ImageNet's mean and deviation, to maps of a 32nd of the side.

    Args:
        size: A key of `SIZES`.
        input_shape: Side, side and channels of the images.
        include_top: Ignored; there is no classifier.
        weights: Ignored; none can be downloaded.
    """
    depths, channels = SIZES[size]
    image = keras.Input(input_shape)
    maps = _normalise(layers.Conv2D(channels[0], 4, 4, name="stem_conv")(image), "stem_norm")
    for stage, (depth, count) in enumerate(zip(depths, channels, strict=True), 1):
        if stage > 1:
            maps = layers.Conv2D(count, 2, 2, name=f"stage{stage}_down")(_normalise(maps, f"stage{stage}_norm"))
        for place in range(1, depth + 1):
            maps = append_block(maps, f"stage{stage}_block{place}")
    return keras.Model(image, _normalise(maps, "norm"), name=f"convnext_v2_{size}")


def append_block(maps: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Append a residual block (section 4, figure 5): filter each channel, expand four times, project, add."""
    count = maps.shape[-1]
    entry = maps
    maps = _normalise(layers.DepthwiseConv2D(7, padding="same", name=f"{name}_conv")(maps), f"{name}_norm")
    maps = layers.Activation("gelu", name=f"{name}_gelu")(layers.Dense(4 * count, name=f"{name}_expand")(maps))
    maps = layers.Dense(count, name=f"{name}_project")(GlobalResponseNorm(name=f"{name}_grn")(maps))
    return layers.Add(name=f"{name}_add")([entry, maps])


def _normalise(maps: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.LayerNormalization(epsilon=EPSILON, name=name)(maps)

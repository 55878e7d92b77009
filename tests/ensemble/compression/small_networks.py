"""Networks with the blocks that channels are removed from, small enough for tests, and all their multiply-adds."""

import keras
import numpy as np
from keras import layers

from features.networks.settled import Settled

SIDE = 8


def inverted_residual() -> keras.Model:
    """A stem, an inverted residual block with a squeeze-and-excite gate, and a convolution behind it."""
    image = keras.Input((SIDE, SIDE, 3))
    stem = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(image)
    maps = layers.ReLU(name="expand_relu")(layers.Conv2D(32, 1, name="expand")(stem))
    maps = layers.ReLU(6.0, name="dw_relu")(layers.DepthwiseConv2D(3, padding="same", name="dw")(maps))
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(maps)
    gate = layers.Conv2D(32, 1, name="gate")(layers.Conv2D(4, 1, activation="relu", name="narrow")(gate))
    gate = layers.ReLU(6.0)(gate + 3.0) * (1 / 6)
    maps = layers.Conv2D(8, 1, name="project")(layers.Multiply(name="gated")([maps, gate]))
    maps = layers.Conv2D(16, 1, name="top")(layers.Add(name="sum")([stem, maps]))
    return keras.Model(image, maps, name="inverted")


def sums_alone() -> keras.Model:
    """A network all of whose convolutions are read by a sum."""
    image = keras.Input((SIDE, SIDE, 3))
    maps = layers.Add()(
        [layers.Conv2D(8, 1, name="one")(image), layers.Conv2D(8, 3, padding="same", name="two")(image)]
    )
    return keras.Model(image, maps, name="sums")


def with_head(network: keras.Model, labels: int = 3) -> keras.Model:
    """From chips to scores, with random weights and biases; like what `build_network` returns."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="pixels")
    maps = Settled(network)(layers.Rescaling(1 / 127.5, offset=-1.0)(pixels))
    vectors = layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(pixels, layers.Dense(labels, activation="sigmoid", name="labels")(vectors), name=network.name)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.normal(scale=0.4, size=variable.shape))
    return model


def chips(count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)

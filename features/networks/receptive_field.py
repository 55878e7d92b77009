"""What a position in the middle of a layer's map depends on: gradients by the pixels, and its size by the layers."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

from features.arrays import Floats, LayerWeights
from features.initialisation.gradients import value_and_gradients

LOCAL = (  # layers that compute each position from the same one
    "InputLayer", "Identity", "Activation", "ReLU", "BatchNormalization", "FixedNorm", "LayerNormalization", "Add",
    "Multiply", "Concatenate", "Dropout", "ZeroPadding2D", "Cropping2D", "LayerScale", "Rescaling", "Dense",
)  # fmt: skip


def as_map(output: Any) -> Any:
    """Return feature maps (batch, rows, columns, channels), also of tokens, whose first one is the class token."""
    if len(output.shape) == 4:
        return output
    side = int(np.sqrt(output.shape[1] - 1))
    return ops.reshape(output[:, 1:], (-1, side, side, output.shape[-1]))


def sample_places(maps: Any, grid: int) -> Any:
    """Return the vectors (batch, grid * grid, channels) of a map at the middles of a grid's cells, row by row."""
    for axis in (1, 2):
        places = ((np.arange(grid) + 0.5) * maps.shape[axis] / grid).astype(int)
        maps = ops.take(maps, places, axis=axis)
    return ops.reshape(maps, (-1, grid * grid, maps.shape[-1]))


def central_gradients(network: keras.Model, output: Any, images: LayerWeights) -> Floats:
    """Return the mean over images of the absolute gradient (rows, columns) of the position in the middle of a map.

    It is that of the sum of its channels, by each pixel, summed over the pixel's channels.

    Args:
        network: Has `output` inside.
        output: Maps or tokens of one of its layers.
        images: (images, side, side, channels), as the network takes them; few, since all are in the memory at once.
    """
    part_of = keras.Model(network.inputs, as_map(output))
    row, column = (size // 2 for size in part_of.output_shape[1:3])

    def middle(tensors: list[Any]) -> Any:
        return ops.sum(part_of(tensors[0], training=False)[:, row, column])

    _, (gradient,) = value_and_gradients(middle, [ops.convert_to_tensor(images)])
    mean: Floats = np.abs(ops.convert_to_numpy(ops.stop_gradient(gradient))).sum(axis=3).mean(axis=0)
    return mean


def theoretical_side(network: keras.Model, output: Any) -> float:
    """Return the side in pixels of what a position can depend on; NaN behind a layer that mixes all positions.

    Behind a layer that joins branches it is that of the widest one.
    """
    sides: dict[int, tuple[float, float]] = {id(tensor): (1.0, 1.0) for tensor in network.inputs}
    for operation in network.operations:
        if isinstance(operation, layers.InputLayer):
            continue
        read = [sides[id(tensor)] for tensor in tree.flatten(operation.input)]
        side, step = float(np.max([one[0] for one in read])), max(one[1] for one in read)
        for layer in operation.layers if isinstance(operation, keras.Sequential) else [operation]:
            side, step = _widened(layer, side, step)
        for tensor in tree.flatten(operation.output):
            sides[id(tensor)] = (side, step)
    return sides[id(output)][0]


def _widened(layer: Any, side: float, step: float) -> tuple[float, float]:
    """Return the side and the distance of neighbouring positions in pixels behind a layer."""
    size = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    if size is None:
        return (side if type(layer).__name__ in LOCAL else np.nan), step
    dilation = getattr(layer, "dilation_rate", (1, 1))[0]
    return side + (size[0] - 1) * dilation * step, step * layer.strides[0]

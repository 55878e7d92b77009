"""Whole channels inside the blocks of a backbone: which can be removed, and the smaller dense network without them.

A group is a set of channels that only convolutions write and read: those that an inverted residual block expands to,
with its depthwise filters and its squeeze-and-excite gate, or those inside a bottleneck. Channels that a sum or another
layer reads belong to no group, so the widths that residual connections carry stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, tree
from numpy.typing import NDArray

from features.arrays import Floats
from features.networks.backbones import settled_backbones
from features.networks.settled import Settled

# Layers that treat every channel by itself, so that a channel of their input is one of their output.
CHANNEL_WISE = (
    *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.Identity, layers.Dropout, layers.ZeroPadding2D),
    *(layers.MaxPooling2D, layers.AveragePooling2D, layers.Multiply),
)
# Operations of `keras.ops`, with a number, of which MobileNetV3 makes its hard sigmoid.
SCALED = ("Add", "Multiply")
STEP = 8  # widths are multiples of it, as those of the architectures: processors compute 8 or 16 channels at once

Channels = NDArray[np.bool_]  # (width,)


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that can be removed together.

    Attributes:
        width: how many there are.
        writers: the convolutions whose filters they are.
        filters: the depthwise convolutions that they pass.
        readers: the convolutions that take them.
    """

    width: int
    writers: tuple[layers.Layer, ...]
    filters: tuple[layers.Layer, ...]
    readers: tuple[layers.Layer, ...]

    def importance(self) -> Floats:
        """Return a score (width,) of each channel: the absolute sum of its filters, relative to the mean of a layer."""
        sums = [np.abs(np.asarray(layer.kernel, np.float64)).sum(axis=(0, 1, 2)) for layer in self.writers]
        sums += [np.abs(np.asarray(layer.kernel, np.float64)).sum(axis=(0, 1, 3)) for layer in self.filters]
        total: Floats = np.sum([values / max(values.mean(), 1e-12) for values in sums], axis=0)
        return total

    def dead(self) -> Channels:
        """Return which channels have no weight other than 0 where they are written, filtered and read."""
        parts = [(layer.kernel, (0, 1, 2)) for layer in self.writers]
        parts += [(layer.kernel, (0, 1, 3)) for layer in (*self.filters, *self.readers)]
        alive = [np.asarray(kernel).any(axis=axes) for kernel, axes in parts]
        alive += [np.asarray(layer.bias) != 0 for layer in (*self.writers, *self.filters) if layer.use_bias]
        living: Channels = np.any(alive, axis=0)
        return ~living


def find_groups(network: keras.Model) -> list[ChannelGroup]:
    """Return the groups of a backbone, in the order of their first layer."""
    spaces = _Spaces()
    for operation in network.operations:
        tensors = [*tree.flatten(operation.input), *tree.flatten(operation.output)]
        if isinstance(operation, CHANNEL_WISE) or _keeps_channels(operation):
            spaces.join(tensors)
        elif not _mixes_channels(operation):
            spaces.close(tensors)
    spaces.close(network.outputs)

    found: dict[int, tuple[list[Any], list[Any], list[Any]]] = {}
    for layer in network.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            _add(found, spaces.find(layer.output), 1, layer)
        elif _mixes_channels(layer):
            _add(found, spaces.find(layer.output), 0, layer)
            _add(found, spaces.find(layer.input), 2, layer)
    return [
        ChannelGroup(writers[0].filters, tuple(writers), tuple(filters), tuple(readers))
        for space, (writers, filters, readers) in found.items()
        if not spaces.is_closed(space) and writers and readers
    ]


def _mixes_channels(operation: Any) -> bool:
    return type(operation) is layers.Conv2D and bool(operation.groups == 1)


def _keeps_channels(operation: Any) -> bool:
    if isinstance(operation, layers.DepthwiseConv2D):
        return bool(operation.depth_multiplier == 1)
    if isinstance(operation, layers.GlobalAveragePooling2D):
        return bool(operation.keepdims)
    if isinstance(operation, keras.Layer) or type(operation).__name__ not in SCALED:
        return False
    arguments = operation._inbound_nodes[0].arguments  # nothing public has them
    values = tree.flatten((arguments.args, arguments.kwargs))
    return all(isinstance(value, (int, float, keras.KerasTensor)) for value in values) and len(values) == 2


def _add(found: dict[int, tuple[list[Any], list[Any], list[Any]]], space: int, role: int, layer: Any) -> None:
    found.setdefault(space, ([], [], []))[role].append(layer)


class _Spaces:
    """Sets of tensors that have the same channels, by union and find; a closed one has other readers or writers."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}
        self._closed: set[int] = set()

    def find(self, tensor: Any) -> int:
        place = id(tensor)
        while (parent := self._parents.setdefault(place, place)) != place:
            place = parent
        return place

    def join(self, tensors: Sequence[Any]) -> None:
        if len({tensor.shape[-1] for tensor in tensors}) > 1:  # one is repeated for all channels
            self.close(tensors)
            return
        first, *others = (self.find(tensor) for tensor in tensors)
        for other in others:
            self._parents[other] = first
        if self._closed & {first, *others}:
            self._closed.add(first)

    def close(self, tensors: Sequence[Any]) -> None:
        self._closed |= {self.find(tensor) for tensor in tensors}

    def is_closed(self, space: int) -> bool:
        return space in self._closed


def kept_width(width: int, share: float) -> int:
    """Return how many channels of a group are kept at a share of them: a multiple of `STEP`, and at least one step."""
    step = STEP if width >= 2 * STEP else 1
    return max(step, int(share * width / step + 1e-9) * step)


def without_dead_channels(model: keras.Model) -> keras.Model:
    """Return a network that computes the same without the channels of its backbones that have no weights but 0.

    Args:
        model: from chips to scores, as `finish_network` returns it; it is left as it is.
    """
    smaller = {trunk.name: _shrink(trunk.network) for trunk in settled_backbones(model)}
    if all(network is None for network in smaller.values()):
        return model

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, Settled) and smaller[layer.name] is not None:
            return Settled(smaller[layer.name], int(layer.name.split("_")[1]), live=layer.live)
        return layer.__class__.from_config(layer.get_config())

    rebuilt = keras.models.clone_model(model, clone_function=copy_layer)
    for layer in model.layers:
        network = smaller.get(layer.name)
        if network is None and layer.weights:
            rebuilt.get_layer(layer.name).set_weights(layer.get_weights())
    return rebuilt


def _shrink(network: keras.Model) -> keras.Model | None:
    """Return a backbone without its dead channels; None if it has none."""
    groups = [(group, ~group.dead()) for group in find_groups(network)]
    groups = [(group, alive) for group, alive in groups if alive.any() and not alive.all()]
    if not groups:
        return None
    written = {layer.name: alive for group, alive in groups for layer in (*group.writers, *group.filters)}
    read = {layer.name: alive for group, alive in groups for layer in (*group.filters, *group.readers)}

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        is_writer = layer.name in written and type(layer) is layers.Conv2D
        filters = {"filters": int(written[layer.name].sum())} if is_writer else {}
        return layer.__class__.from_config({**layer.get_config(), **filters})

    smaller = keras.models.clone_model(network, clone_function=copy_layer)
    for layer in network.layers:
        if not layer.weights:
            continue
        kernel, *rest = layer.get_weights()
        if layer.name in read:
            kernel = kernel[:, :, read[layer.name]]
        if layer.name in written:
            kernel = kernel if isinstance(layer, layers.DepthwiseConv2D) else kernel[..., written[layer.name]]
            rest = [bias[written[layer.name]] for bias in rest]
        smaller.get_layer(layer.name).set_weights([kernel, *rest])
    return smaller

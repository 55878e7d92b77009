"""The layers at which a backbone may end: all whose output is feature maps or tokens, and of these the ends of blocks.

Every function takes a whole backbone without its classifier, at the side that the table states: at a small side the
1 x 1 gates of squeeze-and-excite could not be told from feature maps.
"""

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, tree

from features.initialisation.redraw import named_layers

TOP = "top"
# The beginning of a layer's name that names its block, as `keras.applications` and this package name layers.
BLOCK = re.compile(r"(?:\w*?(?:block_?\d+[a-z]?|expanded_conv(?:_\d+)?)|pool\d+)(?=_|$)|mixed\d+$")
# Layers that complete what they read: a network had better end after them than before.
COMPLETING = (layers.Activation, layers.ReLU, layers.BatchNormalization, layers.Add, layers.Dropout)
NAMED_ENDS = 5  # in a message, which should be read
WITHOUT_FEATURES = (layers.ZeroPadding2D, layers.Dropout, layers.Identity)


def end_layers(network: keras.Model) -> list[str]:
    """Return the names of all layers at which the network may end, in order.

    Their architecture states their names, and their output has at least the side of the network's output.
    """
    names = [name for name in named_layers(network) if not isinstance(network.get_layer(name), keras.Model)]
    return [name for name in names if _is_map(network.get_layer(name).output, network.output)]


def _is_map(output: Any, top: Any) -> bool:
    if not isinstance(output, keras.KerasTensor) or len(output.shape) != len(top.shape):
        return False
    return bool(output.shape[1] >= top.shape[1])


def block_ends(network: keras.Model) -> list[str]:
    """Return the last layer of each block, in order, and `top`; where names state no blocks, each layer is one."""
    names = end_layers(network)
    blocks = {name: found[0] for name in names if (found := BLOCK.match(name))}
    last = {blocks.get(name, name): name for name in names if name in blocks or not blocks}
    return [*(name for name in last.values() if network.get_layer(name).output is not network.output), TOP]


def block_ends_up_to(network: keras.Model, end: str) -> list[str]:
    """Return those of `block_ends` that the network up to a layer holds, in order, and this layer."""
    inside = {layer.name for layer in truncate(network, (end,), network.name).layers}
    return [*(name for name in block_ends(network) if name in inside and name not in (end, TOP)), end]


def layers_around(network: keras.Model, end: str) -> list[str]:
    """Return the layers between the block ends before and after one of `block_ends`, in order, without these.

    Left out are layers that a named norm, activation or sum completes, and paddings.
    """
    names, ends = end_layers(network), block_ends(network)
    place = ends.index(end)
    first = names.index(ends[place - 1]) + 1 if place else 0
    following = ends[place + 1 : place + 2]
    last = len(names) if following in ([], [TOP]) else names.index(following[0])
    return [name for name in names[first:last] if name != end and _is_complete(network, name, names)]


def _is_complete(network: keras.Model, name: str, names: Sequence[str]) -> bool:
    layer = network.get_layer(name)
    if isinstance(layer, WITHOUT_FEATURES) or layer.output is network.output:
        return False
    readers = [reader for reader in network.layers if any(read is layer.output for read in tree.flatten(reader.input))]
    return not all(isinstance(reader, COMPLETING) and reader.name in names for reader in readers)


def truncate(network: keras.Model, ends: Sequence[str], name: str) -> keras.Model:
    """Return the network up to layers, each a name or `top`, as a model of another name with their outputs in order.

    Raises:
        ValueError: The network cannot end at a layer.
    """
    if tuple(ends) == (TOP,):
        return network
    names = [TOP, *end_layers(network)]
    unknown = [end for end in ends if end not in names]
    if unknown:
        more = f" and {len(names) - NAMED_ENDS} more of `ends_of`" if len(names) > NAMED_ENDS else ""
        some = ", ".join(names[:NAMED_ENDS])
        raise ValueError(f"{name} cannot be truncated at a layer named {unknown[0]}; choose one of {some}{more}.")
    outputs = [network.output if end == TOP else network.get_layer(end).output for end in ends]
    return keras.Model(network.input, outputs[0] if len(outputs) == 1 else outputs, name=name)


def count_parameters(network: keras.Model, end: str) -> int:
    """Return how many numbers the network up to a layer holds, with the statistics of its batch norms."""
    return int(truncate(network, (end,), network.name).count_params())


def vector_width(network: keras.Model, end: str) -> int:
    """Return the columns of the vectors of a layer with average pooling: tokens give the class token and the mean."""
    output = network.output if end == TOP else network.get_layer(end).output
    return int(output.shape[-1]) * (2 if len(output.shape) == 3 else 1)

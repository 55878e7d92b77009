"""Batch norms with fixed statistics, folded into the convolutions before them: the same function in fewer steps.

A fine-tuning on small batches keeps the statistics that a backbone came with, so each norm is one more scale and
offset, and a pass over its feature map forth and back. Folded, every number left is a weight that training moves.
"""

from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import layers, tree


def fold_into_convolutions(network: keras.Model) -> keras.Model:
    """The network with every batch norm that alone follows a convolution made part of it.

    kernel * gain and (bias - mean) * gain + offset, where gain = scale / sqrt(variance + epsilon). Layers keep their
    names; a norm that stands elsewhere, as in front of a ReLU of ResNet V2, stays.
    """
    pairs = _pairs(network)
    if not pairs:
        return network
    convolutions = set(pairs.values())

    def renewed(layer: keras.Layer) -> keras.Layer:
        if layer.name in pairs:
            return layers.Identity(name=layer.name)
        bias = {"use_bias": True} if layer.name in convolutions else {}
        return layer.__class__.from_config({**layer.get_config(), **bias})

    def joined(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        return layer(*inputs) if layer.name in pairs else layer(*inputs, **options)

    folded = keras.models.clone_model(network, clone_function=renewed, call_function=joined)
    norms = {convolution: network.get_layer(norm) for norm, convolution in pairs.items()}
    for layer in network.layers:
        if layer.name in norms:
            folded.get_layer(layer.name).set_weights(_folded(layer, norms[layer.name]))
        elif layer.name not in pairs and layer.weights:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def _pairs(network: keras.Model) -> dict[str, str]:
    """The names of the norms that fold, each with its convolution's."""
    made = {id(layer.output): layer for layer in network.layers if not isinstance(layer, layers.InputLayer)}
    readers = Counter(id(tensor) for layer in network.layers for tensor in tree.flatten(layer.input))
    readers.update(id(tensor) for tensor in network.outputs)
    pairs = {}
    for norm in network.layers:
        before: Any = made.get(id(norm.input))
        if (
            isinstance(norm, layers.BatchNormalization)
            and type(before) in (layers.Conv2D, layers.DepthwiseConv2D)
            and before.activation is keras.activations.linear
            and readers[id(norm.input)] == 1
        ):
            pairs[norm.name] = before.name
    return pairs


def _folded(convolution: keras.Layer, norm: keras.Layer) -> list[np.ndarray]:
    """Kernel and bias of the two in one."""
    kernel, *bias = (np.asarray(value, np.float64) for value in convolution.get_weights())
    held = iter(np.asarray(value, np.float64) for value in norm.get_weights())
    scale = next(held) if norm.scale else 1.0
    offset = next(held) if norm.center else 0.0
    mean, variance = held
    gain = scale / np.sqrt(variance + norm.epsilon)
    outputs = gain if isinstance(convolution, layers.Conv2D) else gain.reshape(*kernel.shape[2:])
    return [kernel * outputs, ((bias[0] if bias else 0.0) - mean) * gain + offset]

"""Fold batch norms with fixed statistics into the convolutions before them: same function, fewer steps.

Fine-tuning on small batches keeps the statistics that a backbone came with, so each norm is a scale and an offset, and
one more pass over its feature map forward and backward. After folding, all numbers are weights that training changes.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

import keras
import numpy as np
from keras import layers, tree

from features.arrays import Floats


@keras.saving.register_keras_serializable("amazon_tags")
class FixedNorm(layers.BatchNormalization):  # type: ignore[misc]  # Keras has no types
    """A batch norm that keeps its statistics, also while the network around it is trained with those of batches."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002
        """Return the inputs, normalised by the stored statistics."""
        return super().call(inputs, training=False, mask=mask)


def fold_into_convolutions(network: keras.Model, live: Collection[str] = ()) -> keras.Model:
    """Return the network with batch norms folded into the convolutions whose output only they read.

    The convolution gets kernel * gain and (bias - mean) * gain + offset, where gain = scale / sqrt(variance +
    epsilon). Layers keep their names; a norm that stands elsewhere, such as before a ReLU of ResNet V2, stays.

    Args:
        network: The network.
        live: Names of norms that stay because they take the statistics of batches while they are trained. Beside them,
            other norms that stay become `FixedNorm`.
    """
    pairs = {norm: convolution for norm, convolution in _foldable_pairs(network).items() if norm not in live}
    if not pairs and not live:
        return network
    convolutions = set(pairs.values())

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        if layer.name in pairs:
            return layers.Identity(name=layer.name)
        if live and isinstance(layer, layers.BatchNormalization) and layer.name not in live:
            return FixedNorm.from_config(layer.get_config())
        bias = {"use_bias": True} if layer.name in convolutions else {}
        return layer.__class__.from_config({**layer.get_config(), **bias})

    def call_layer(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        return layer(*inputs) if layer.name in pairs else layer(*inputs, **options)

    folded = keras.models.clone_model(network, clone_function=copy_layer, call_function=call_layer)
    norms = {convolution: network.get_layer(norm) for norm, convolution in pairs.items()}
    for layer in network.layers:
        if layer.name in norms:
            folded.get_layer(layer.name).set_weights(_folded_weights(layer, norms[layer.name]))
        elif layer.name not in pairs and layer.weights:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def unfold(folded: keras.Model, network: keras.Model) -> None:
    """Give a network the weights of one that `fold_into_convolutions` made of the same architecture; both then agree.

    A norm that was folded gets scale 1, offset 0, variance 1 and, as its mean, the negative bias of its convolution.
    """
    norms = {convolution: norm for norm, convolution in _foldable_pairs(network).items()}
    twins = list(zip(network.layers, folded.layers, strict=True))
    kept = {layer.name for layer, twin in twins if isinstance(twin, layers.BatchNormalization)}
    for layer, twin in twins:
        if layer.name in norms and norms[layer.name] not in kept:
            kernel, bias = twin.get_weights()
            layer.set_weights([kernel, *([0 * bias] if layer.use_bias else [])])
            norm = network.get_layer(norms[layer.name])
            one, zero = np.ones_like(bias), np.zeros_like(bias)
            fixed = [one] * bool(norm.scale) + [zero] * bool(norm.center)
            norm.set_weights([*fixed, -bias, one - norm.epsilon])
        elif twin.weights:
            layer.set_weights(twin.get_weights())


def _foldable_pairs(network: keras.Model) -> dict[str, str]:
    """Return the names of the norms that can be folded, each with the name of its convolution."""
    producers = {id(layer.output): layer for layer in network.layers if not isinstance(layer, layers.InputLayer)}
    readers = Counter(id(tensor) for layer in network.layers for tensor in tree.flatten(layer.input))
    readers.update(id(tensor) for tensor in network.outputs)

    pairs = {}
    for norm in network.layers:
        before: Any = producers.get(id(norm.input))
        if (
            isinstance(norm, layers.BatchNormalization)
            and type(before) in (layers.Conv2D, layers.DepthwiseConv2D)
            and before.activation is keras.activations.linear
            and readers[id(norm.input)] == 1
        ):
            pairs[norm.name] = before.name
    return pairs


def _folded_weights(convolution: keras.Layer, norm: keras.Layer) -> list[Floats]:
    """Return the kernel and the bias of a convolution with its norm folded in."""
    kernel, *bias = (np.asarray(value, np.float64) for value in convolution.get_weights())
    values = iter(np.asarray(value, np.float64) for value in norm.get_weights())
    scale = next(values) if norm.scale else 1.0
    offset = next(values) if norm.center else 0.0
    mean, variance = values

    gain = scale / np.sqrt(variance + norm.epsilon)
    kernel_gain = gain if isinstance(convolution, layers.Conv2D) else gain.reshape(*kernel.shape[2:])
    return [kernel * kernel_gain, ((bias[0] if bias else 0.0) - mean) * gain + offset]

"""Scale the kernels of a network so that signals keep unit variance from layer to layer, whatever its activations are.

This is AutoInit (Bingham and Miikkulainen 2023), written from the paper's formulas: each layer maps the mean and the
variance of its input to those of its output, and where a layer has a kernel, the kernel is scaled so that the output
has mean 0 and variance 1. No data is needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree
from scipy import stats

from features.initialisation.redraw import fan_in

# Nodes of the quadrature, in standard deviations; density and step of its weights. A fine trapezoidal rule has an error
# below 1e-6 also at the kinks of ReLU and its kin, where a Gauss-Hermite rule of a hundred nodes has one of 1e-3.
NODES = np.linspace(-10.0, 10.0, 20_001)
WEIGHTS = stats.norm.pdf(NODES) * (NODES[1] - NODES[0])


@dataclass(frozen=True)
class Moments:
    """The mean and the variance of a signal, over images, places and channels."""

    mean: float = 0.0
    variance: float = 1.0

    def second(self) -> float:
        """Return the mean square."""
        return self.mean**2 + self.variance


Rule = Callable[[Any, Sequence[Moments]], Moments]  # a layer and the moments of what it reads to those of its output


def after_activation(signal: Moments, activation: Callable[[Any], Any]) -> Moments:
    """Return the moments of an activation of a normally distributed signal, by quadrature.

    Example:
        >>> relu = after_activation(Moments(), keras.activations.relu)
        >>> round(relu.mean, 6), round(relu.variance, 6)
        (0.398942, 0.340845)
    """
    points = signal.mean + np.sqrt(signal.variance) * NODES
    values = ops.convert_to_numpy(activation(ops.convert_to_tensor(points, "float32"))).astype(np.float64)
    mean = float(WEIGHTS @ values)
    return Moments(mean, float(WEIGHTS @ (values - mean) ** 2))


def after_maximum(signal: Moments, count: int) -> Moments:
    """Return the moments of the largest of `count` independent, normally distributed values."""
    weights = WEIGHTS * count * stats.norm.cdf(NODES) ** (count - 1)
    mean = float(weights @ NODES)
    variance = float(weights @ (NODES - mean) ** 2)
    return Moments(signal.mean + np.sqrt(signal.variance) * mean, signal.variance * variance)


def scale_kernels(network: keras.Model, images: Moments) -> Moments:
    """Scale the kernels of a network, drawn with variance 2 / fan_in, in place; return the moments of its output.

    Args:
        network: Has biases of 0 and norms that were reset; its norms take the statistics of batches.
        images: The moments of its input.

    Raises:
        ValueError: There is no rule for a layer.
    """
    return propagate(network, images, _after)[id(network.outputs[0])]


def propagate(network: keras.Model, images: Moments, after: Rule) -> dict[int, Moments]:
    """Return the moments of each tensor of a network, by its `id`, in the order of the layers.

    Args:
        network: The network.
        images: The moments of its input.
        after: Returns the moments of a layer's output, for those of what it reads.
    """
    signals = {id(tensor): images for tensor in network.inputs}
    for operation in network.operations:
        if not isinstance(operation, layers.InputLayer):
            read = [signals[id(tensor)] for tensor in tree.flatten(operation.input)]
            for step in operation.layers if isinstance(operation, keras.Sequential) else [operation]:
                read = [after(step, read)]
            signals[id(operation.output)] = read[0]
    return signals


def _after(operation: Any, signals: Sequence[Moments]) -> Moments:
    rule = RULES.get(type(operation).__name__)
    if rule is None:
        raise ValueError(
            f"the start auto has no rule for the layer {operation.name} of type {type(operation).__name__}; use the "
            "start random."
        )
    return rule(operation, signals)


def _after_kernel(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Scale the kernels of a layer one after the other, each for outputs of variance 1; then apply its activation."""
    second = signals[0].second()
    values = []
    for variable in layer.weights:
        value, role = np.asarray(variable), variable.path.rpartition("/")[2]
        if role.endswith("kernel"):
            count = fan_in(layer, role, value.shape)
            drawn, wanted = 2 / count, 1 / (count * second)
            value = value * np.float32(np.sqrt(wanted / drawn))
            second = 1.0  # of the input of a pointwise kernel behind a depthwise one
        values.append(value)
    layer.set_weights(values)
    return activate(layer, [Moments()])


def activate(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments behind the activation of a layer."""
    activation = layer.call if isinstance(layer, layers.ReLU) else layer.activation
    is_linear = activation is keras.activations.linear
    return signals[0] if is_linear else after_activation(signals[0], activation)


def keep(_: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments as they are."""
    return signals[0]


def _normalise(_: Any, __: Sequence[Moments]) -> Moments:
    return Moments()


def _add(_: Any, signals: Sequence[Moments]) -> Moments:
    return Moments(sum(signal.mean for signal in signals), sum(signal.variance for signal in signals))


def _multiply(_: Any, signals: Sequence[Moments]) -> Moments:
    mean = prod(signal.mean for signal in signals)
    return Moments(mean, prod(signal.second() for signal in signals) - mean**2)


def _concatenate(layer: Any, signals: Sequence[Moments]) -> Moments:
    shares = np.array([tensor.shape[-1] for tensor in layer.input], np.float64)
    shares /= shares.sum()
    mean = float(shares @ [signal.mean for signal in signals])
    return Moments(mean, float(shares @ [signal.second() for signal in signals]) - mean**2)


def _pad(layer: Any, signals: Sequence[Moments]) -> Moments:
    share = prod(layer.input.shape[1:3]) / prod(layer.output.shape[1:3])
    mean = share * signals[0].mean
    return Moments(mean, share * signals[0].second() - mean**2)


def _drop(layer: Any, signals: Sequence[Moments]) -> Moments:
    """In training: what is kept is divided by its share."""
    return Moments(signals[0].mean, signals[0].second() / (1 - layer.rate) - signals[0].mean ** 2)


def _average(layer: Any, signals: Sequence[Moments]) -> Moments:
    places = prod(layer.pool_size) if hasattr(layer, "pool_size") else prod(layer.input.shape[1:3])
    return Moments(signals[0].mean, signals[0].variance / places)


def _largest(layer: Any, signals: Sequence[Moments]) -> Moments:
    return after_maximum(signals[0], prod(layer.pool_size))


def _scale(layer: Any, signals: Sequence[Moments]) -> Moments:
    gains = np.asarray(layer.gamma, np.float64)
    mean = float(gains.mean()) * signals[0].mean
    return Moments(mean, float((gains**2).mean()) * signals[0].second() - mean**2)


def _respond(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments behind a global response norm, for channels of equal response."""
    gains = 1 + np.asarray(layer.gamma, np.float64)
    means = gains * signals[0].mean + np.asarray(layer.beta, np.float64)
    return Moments(float(means.mean()), float((gains**2).mean()) * signals[0].variance + float(means.var()))


def _through_standardised(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments behind kernels of mean 0 and variance 1, whatever is stored: scaling would change nothing."""
    return Moments(0.0, fan_in(layer, "kernel", layer.kernel.shape) * signals[0].variance)


RULES: dict[str, Rule] = {  # by the type of a layer or of a function of `ops`
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense", "PHConv2D"), _after_kernel),
    **dict.fromkeys(("Activation", "ReLU"), activate),
    **dict.fromkeys(("Identity", "Reshape", "Flatten", "Cropping2D"), keep),
    **dict.fromkeys(("BatchNormalization", "LayerNormalization", "GroupNorm"), _normalise),
    **dict.fromkeys(("AveragePooling2D", "GlobalAveragePooling2D"), _average),
    "Add": _add,
    "Multiply": _multiply,
    "Concatenate": _concatenate,
    "ZeroPadding2D": _pad,
    "Dropout": _drop,
    "MaxPooling2D": _largest,
    "LayerScale": _scale,
    "GlobalResponseNorm": _respond,
    "StandardisedConv2D": _through_standardised,
}

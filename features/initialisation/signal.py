"""Predict the mean and the variance of each layer's output from the weights, and measure them on images.

The prediction is that of `autoinit`, without its scaling: kernels, biases and norms count as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from features.arrays import Floats, LayerWeights
from features.initialisation.autoinit import RULES, Moments, Rule, activate, keep, propagate
from features.initialisation.gradients import compile_function

PART = 32  # images that are measured at once, where norms do not need all: the memory holds their feature maps
LARGEST = 1e60  # a mean square above which no quadrature is possible in float32
UNKNOWN = Moments(np.nan, np.nan)


@dataclass(frozen=True)
class LayerSignal:
    """The predicted and the measured moments of a layer's output; NaN or infinite where there is no number."""

    layer: str
    predicted: Moments
    measured: Moments

    def ratio(self) -> float:
        """Return the measured mean square, divided by the predicted one; NaN where either is missing."""
        predicted = self.predicted.second()
        return self.measured.second() / predicted if predicted > 0 else np.nan


def layer_signals(network: keras.Model, images: LayerWeights, *, live: bool = False) -> list[LayerSignal]:
    """Return the signal of each layer, in order; what only passes images on, as a folded norm does, is left out.

    Args:
        network: From images to maps or tokens.
        images: (images, side, side, channels), as the network takes them; the prediction starts from their moments.
        live: Whether norms and dropout act as in training. The norms then take the statistics of these images.
    """
    passing = (layers.InputLayer, layers.Identity)
    operations = [operation for operation in network.operations if not isinstance(operation, passing)]
    predicted = predict_moments(network, moments_of(images), live=live)
    measured = _measure(network, [operation.output for operation in operations], images, live=live)
    return [
        LayerSignal(operation.name, predicted[operation.name], moments)
        for operation, moments in zip(operations, measured, strict=True)
    ]


def moments_of(values: LayerWeights) -> Moments:
    """Return the moments of all numbers together."""
    return Moments(float(values.mean(dtype=np.float64)), float(values.var(dtype=np.float64)))


def predict_moments(network: keras.Model, images: Moments, *, live: bool = False) -> dict[str, Moments]:
    """Return the moments of the output of each layer by its name, NaN from the first layer on that has no rule.

    The numbers that a kernel sums up are taken to be independent and of the same moments, and an activation's input to
    be normally distributed. Neighbouring pixels are alike, so photographs fulfil this less than noise does.

    Args:
        network: From images to maps or tokens.
        images: The moments of its input.
        live: Whether norms and dropout act as in training.
    """
    acting = {} if live else {"Dropout": keep, "BatchNormalization": _through_fixed_norm}
    rules: dict[str, Rule] = {**RULES, **PREDICTIONS, **acting}

    def after(operation: Any, signals: Sequence[Moments]) -> Moments:
        rule = rules.get(type(operation).__name__)
        return rule(operation, signals) if rule and all(one.second() < LARGEST for one in signals) else UNKNOWN

    signals = propagate(network, images, after)
    return {operation.name: signals[id(operation.output)] for operation in network.operations}


def _through_kernel(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Each output's mean is the sum of its weights times the input's, its variance the sum of squared weights times."""
    signal, bias = signals[0], np.asarray(layer.bias, np.float64) if layer.use_bias else 0.0
    means = signal.mean * _apply_powers(layer, 1) + bias
    variance = signal.variance * float(_apply_powers(layer, 2).mean())
    return activate(layer, [Moments(float(means.mean()), float(means.var()) + variance)])


def _through_components(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments behind a hypercomplex layer: those behind the real one of the same function."""
    plain = layer.plain_layer()
    plain(layer.input)  # it states the shape
    return _through_kernel(plain, signals)


def _apply_powers(layer: Any, power: int) -> Floats:
    """Return the output of a layer with powers of its kernels for an image of ones, without bias and activation."""
    options = {"activation": None, "use_bias": False}
    plain = type(layer).from_config({**layer.get_config(), **options})
    plain.build(layer.input.shape)
    kernels = [np.asarray(value) for value in layer.weights if value.path.endswith("kernel")]
    with np.errstate(over="ignore"):
        plain.set_weights([kernel**power for kernel in kernels])
    ones = np.ones((1, *layer.input.shape[1:]), np.float32)
    return np.asarray(ops.convert_to_numpy(plain(ones)), np.float64)


def _through_norm(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments behind a norm that gives its input mean 0 and variance 1."""
    variance = signals[0].variance
    return _scale_and_shift(layer, np.zeros(1), np.array([variance / (variance + layer.epsilon)]))


def _through_fixed_norm(layer: Any, signals: Sequence[Moments]) -> Moments:
    """Return the moments behind stored statistics: the channels' means and variances spread about the input's."""
    means, variances = (np.asarray(value, np.float64) for value in (layer.moving_mean, layer.moving_variance))
    stretch = signals[0].variance / (means.var() + variances.mean())
    actual = signals[0].mean + np.sqrt(stretch) * (means - means.mean())
    divisor = variances + layer.epsilon
    return _scale_and_shift(layer, (actual - means) / np.sqrt(divisor), stretch * variances / divisor)


def _scale_and_shift(layer: Any, means: Floats, variances: Floats) -> Moments:
    """Return the moments behind a norm's scale and offset, for those (channels,) before them."""
    scale = np.asarray(layer.gamma, np.float64) if layer.scale else 1.0
    offset = np.asarray(layer.beta, np.float64) if layer.center else 0.0
    means = scale * means + offset
    return Moments(float(means.mean()), float(np.mean(scale**2 * variances) + means.var()))


PREDICTIONS: dict[str, Rule] = {  # in place of those of `RULES`
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"), _through_kernel),
    "PHConv2D": _through_components,
    **dict.fromkeys(("BatchNormalization", "LayerNormalization", "GroupNorm"), _through_norm),
    "FixedNorm": _through_fixed_norm,
}


def _measure(network: keras.Model, outputs: Sequence[Any], images: LayerWeights, *, live: bool) -> list[Moments]:
    """Return the moments of the outputs over all images; the network computes the means of each image."""
    values = [(ops.cast(output, "float32"), tuple(range(1, len(output.shape)))) for output in outputs]
    powers = [ops.mean(value**power, axis=axes) for value, axes in values for power in (1, 2)]
    model = keras.Model(network.inputs, ops.stack(powers, axis=1))

    def call(weights: Any, rest: Any, part: Any) -> Any:
        return model.stateless_call(weights, rest, part, training=live)[0]

    compiled = compile_function(call)
    weights, rest = (
        [ops.convert_to_tensor(value) for value in part]
        for part in (model.trainable_variables, model.non_trainable_variables)
    )
    parts = [images] if live else np.array_split(images, -(-len(images) // PART))
    sums = [ops.convert_to_numpy(compiled(weights, rest, ops.convert_to_tensor(part))) for part in parts]
    means, squares = np.concatenate(sums).astype(np.float64).mean(axis=0).reshape(-1, 2).T
    with np.errstate(invalid="ignore"):
        variances = np.maximum(squares - means**2, 0)
    return [Moments(*pair) for pair in zip(means.tolist(), variances.tolist(), strict=True)]

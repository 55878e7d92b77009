"""Redraw the weights of a network before training: all, those behind a layer, or each tensor from its own statistics.

Everything is drawn with NumPy, so that a seed gives the same weights on each backend of Keras. It takes networks whose
batch norms are not folded into convolutions yet.
"""

import re
from collections.abc import Callable, Collection

import keras
import numpy as np
from keras import layers

from features.arrays import LayerWeights
from features.initialisation.start import TRANSFER, Start

NORM_START = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0}  # a norm's weights, after a reset
OTHER_GAMMAS = ("LayerScale", "GlobalResponseNorm")  # layers whose gamma does not start at 1, as that of a norm does
TOKEN_DEVIATION = 0.02  # of class tokens and tables of positions (Dosovitskiy et al. 2021)


def named_layers(network: keras.Model) -> list[str]:
    """Return the names of layers, in order, that their architecture states; Keras counts the others up in a session."""
    named = []
    for layer in network.layers:
        kind = re.sub(r"_\d+$", "", layer.name).replace("_", "")
        if kind != type(layer).__name__.lower() and not isinstance(layer, layers.InputLayer):
            named.append(layer.name)
    return named


def redrawn_layers(network: keras.Model, start: Start) -> frozenset[int]:
    """Return the positions in `network.layers` of those that a start redraws.

    `transfer` keeps a layer with all layers that it depends on. What stands beside it, such as the shortcut around an
    unfinished residual block, is redrawn.

    Raises:
        ValueError: The network has no layer of this name.
    """
    places = frozenset(range(len(network.layers)))
    if start.kind() != TRANSFER:
        return places if start.name != "imagenet" else frozenset()
    kept = {id(layer) for layer in keras.Model(network.input, network.get_layer(start.layer()).output).layers}
    return frozenset(place for place in places if id(network.layers[place]) not in kept)


def redraw(network: keras.Model, start: Start, make_fresh: Callable[[], keras.Model]) -> frozenset[int]:
    """Give a network the weights of a start, in place; return the positions of the redrawn layers.

    `stats` draws each tensor independently from a normal distribution with its own mean and variance (Raghu et al.
    2019). `random` and `transfer` draw kernels from a normal distribution of variance 2 / fan_in (He et al. 2015) with
    biases of 0. So do `auto` and `grad`; then `autoinit` or `gradinit` scales the kernels. Norms are reset: scale 1,
    offset 0, mean 0, variance 1. Weights of other kinds, such as layer scales, start as in a fresh network.

    Args:
        network: Has its weights loaded, where the start depends on them.
        start: The start.
        make_fresh: Builds the same network with weights of its layers' own start.
    """
    places = redrawn_layers(network, start)
    fresh = make_fresh().layers if places and start.kind() == TRANSFER else network.layers
    for place in sorted(places):
        rng = np.random.default_rng((start.seed, start.stream, place))
        draw = _draw_like if start.name == "stats" else _draw_fresh
        layer = network.layers[place]
        values = [_reset_or(draw, rng, layer, variable) for variable in fresh[place].weights]
        if values:
            layer.set_weights(values)
    return places


def live_norms(network: keras.Model, redrawn: Collection[int]) -> frozenset[str]:
    """Return the names of the batch norms among the redrawn layers; only training gives them statistics."""
    return frozenset(
        layer.name
        for place, layer in enumerate(network.layers)
        if place in redrawn and isinstance(layer, layers.BatchNormalization)
    )


def _reset_or(
    draw: Callable[[np.random.Generator, keras.Layer, str, LayerWeights], LayerWeights],
    rng: np.random.Generator,
    layer: keras.Layer,
    variable: keras.Variable,
) -> LayerWeights:
    """Return the reset value of a norm's weight, or what `draw` makes of any other."""
    value = np.asarray(variable, np.float32)
    role = variable.path.rpartition("/")[2]
    if role in NORM_START and type(layer).__name__ not in OTHER_GAMMAS:
        return np.full_like(value, NORM_START[role])
    return draw(rng, layer, role, value)


def _draw_like(rng: np.random.Generator, _: keras.Layer, __: str, value: LayerWeights) -> LayerWeights:
    return _normal(rng, value.mean(dtype=np.float64), value.std(dtype=np.float64), value.shape)


def _draw_fresh(rng: np.random.Generator, layer: keras.Layer, role: str, value: LayerWeights) -> LayerWeights:
    if role.endswith("kernel"):
        return _normal(rng, 0.0, np.sqrt(2 / fan_in(layer, role, value.shape)), value.shape)
    if role == "bias":
        return np.zeros_like(value)
    if role == "algebra":  # of a hypercomplex layer, which starts with products that are known
        return value
    return value if np.ptp(value) == 0 else _normal(rng, 0.0, TOKEN_DEVIATION, value.shape)


def _normal(rng: np.random.Generator, mean: float, deviation: float, shape: tuple[int, ...]) -> LayerWeights:
    return rng.normal(mean, deviation, shape).astype(np.float32)


def fan_in(layer: keras.Layer, role: str, shape: tuple[int, ...]) -> int:
    """Return how many inputs each output of a kernel sums up; a depthwise one sums within its channel."""
    is_depthwise = role == "depthwise_kernel" or isinstance(layer, layers.DepthwiseConv2D)
    return int(np.prod(shape[:2] if is_depthwise else shape[:-1]))

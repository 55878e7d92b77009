"""Prune a network: masks of the weights that a strategy keeps at a compression ratio, and training that holds them.

Only kernels of the backbone are pruned. The last layer, biases and norms stay, but for the biases of channels that are
removed whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from ensemble.arrays import Floats
from ensemble.compression.channels import ChannelGroup, Channels, find_groups, kept_width
from ensemble.compression.masks import Mask, global_masks, layer_masks
from ensemble.compression.strategies import CHANNEL_STRATEGIES, UNPRUNED, keep_fraction
from features.initialisation.gradients import value_and_gradients
from features.networks.backbones import settled_backbones

SHARES = 512  # of the channels of each group, that are tried


@dataclass(frozen=True)
class Pruning:
    """What a strategy keeps of a network.

    Attributes:
        masks: of tensors, by their place in `model.weights`; tensors without one are kept whole.
        total: parameters before.
        left: parameters that are kept.
    """

    masks: Mapping[int, Mask]
    total: int
    left: int

    @property
    def compression(self) -> float:
        """All parameters by those that are kept."""
        return self.total / self.left


@dataclass(frozen=True)
class PruningData:
    """What some strategies need beside the weights: a seed, and a batch with its loss.

    Attributes:
        seed: of random choices.
        loss: of targets and scores (batch, labels), a value a chip.
        pixels: (batch, side, side, bands).
        targets: (batch, labels).
    """

    seed: int
    loss: Any
    pixels: Any
    targets: Any


def choose_weights(model: keras.Model, strategy: str, ratio: float, data: PruningData) -> Pruning:
    """Return what a strategy keeps of a network at a compression ratio; at ratio 1 that is all.

    Args:
        model: from `build_network`, with trained weights.
        strategy: a name of `strategies.STRATEGIES`, or `unpruned`.
        ratio: all parameters by those that are left.
        data: see there.

    Raises:
        ValueError: the ratio cannot be reached, or the architecture has no channels to remove.
    """
    total = sum(int(np.prod(variable.shape)) for variable in model.weights)
    if strategy == UNPRUNED or ratio == 1:
        return Pruning({}, total, total)
    if strategy in CHANNEL_STRATEGIES:
        return _choose_channels(model, strategy, ratio, data.seed)

    places = kernel_places(model)
    kernels = [model.weights[place] for place in places]
    keep = keep_fraction(total, total - sum(int(np.prod(kernel.shape)) for kernel in kernels), ratio)
    scores = _score_weights(model, kernels, strategy, data)
    masks = (layer_masks if strategy == "layer-magnitude" else global_masks)(scores, keep)
    pruned = sum(int((~mask).sum()) for mask in masks)
    return Pruning(dict(zip(places, masks, strict=True)), total, total - pruned)


def kernel_places(model: keras.Model) -> list[int]:
    """Return the places in `model.weights` of the kernels of its backbones."""
    inside = {id(variable) for trunk in settled_backbones(model) for variable in trunk.network.trainable_variables}
    return [
        place
        for place, variable in enumerate(model.weights)
        if id(variable) in inside and variable.name.endswith("kernel")
    ]


def hold_masks(model: keras.Model, masks: Mapping[int, Mask]) -> None:
    """Set pruned weights to 0, and keep them there after every step of an optimizer."""
    for place, mask in masks.items():
        variable = model.weights[place]
        variable.assign(np.where(mask, np.asarray(variable), 0))
        variable.constraint = _Masked(mask)


class _Masked(keras.constraints.Constraint):  # type: ignore[misc]  # Keras has no types
    """Sets some weights to 0; the optimizer applies it after each step."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def __call__(self, values: Any) -> Any:
        """Return the values with 0 in place of pruned ones."""
        return values * ops.cast(self.mask, values.dtype)


def _score_weights(model: keras.Model, kernels: Sequence[Any], strategy: str, data: PruningData) -> list[Floats]:
    values = [np.asarray(kernel, np.float64) for kernel in kernels]
    if strategy == "random":
        rng = np.random.default_rng(data.seed)
        return [rng.random(value.shape) for value in values]
    if strategy != "global-gradient":
        return [np.abs(value) for value in values]
    return [np.abs(value * gradient) for value, gradient in zip(values, _gradients(model, kernels, data), strict=True)]


def _gradients(model: keras.Model, kernels: Sequence[Any], data: PruningData) -> list[Floats]:
    """Return the gradients of the batch's mean loss by the kernels."""
    variables = model.trainable_variables
    places = {id(variable): place for place, variable in enumerate(variables)}
    weights, rest = (
        [ops.convert_to_tensor(np.asarray(variable)) for variable in part]
        for part in (variables, model.non_trainable_variables)
    )
    pixels, targets = (ops.convert_to_tensor(array) for array in (data.pixels, data.targets))

    def loss_at(tensors: list[Any]) -> Any:
        scores, _ = model.stateless_call(tensors, rest, pixels, training=False)
        return ops.mean(data.loss(targets, scores))

    _, gradients = value_and_gradients(loss_at, weights)
    return [np.asarray(ops.convert_to_numpy(gradients[places[id(kernel)]]), np.float64) for kernel in kernels]


def _choose_channels(model: keras.Model, strategy: str, ratio: float, seed: int) -> Pruning:
    """Keep the same share of the channels of every group, the largest share that reaches the ratio."""
    groups = [group for trunk in settled_backbones(model) for group in find_groups(trunk.network)]
    if not groups:
        raise ValueError(
            f"the backbone {model.name} has no channels inside its blocks that can be removed without changing the "
            "width between them; choose another strategy than channels."
        )
    rng = np.random.default_rng(seed)
    merits = [rng.random(group.width) if strategy == "random-channels" else group.importance() for group in groups]
    orders = [np.argsort(-merit, kind="stable") for merit in merits]

    low, high, best = 0, SHARES, None
    while low <= high:  # fewer channels never leave more parameters
        middle = (low + high) // 2
        pruning = _prune_channels(model, groups, orders, middle / SHARES)
        if pruning.compression >= ratio:
            low, best = middle + 1, pruning
        else:
            high = middle - 1
    if best is None:
        most = _prune_channels(model, groups, orders, 0.0).compression
        raise ValueError(
            f"a compression ratio of {ratio:g} cannot be reached by removing channels inside the blocks of "
            f"{model.name}: with one channel or {kept_width(1000, 0)} left of each group it is {most:.1f}; choose a "
            "smaller one."
        )
    return best


def _prune_channels(model: keras.Model, groups: Sequence[ChannelGroup], orders: Sequence[Any], share: float) -> Pruning:
    places = {id(variable): place for place, variable in enumerate(model.weights)}
    masks: dict[int, Mask] = {}

    def remove(variable: Any, channels: Channels, axis: int) -> None:
        mask = masks.setdefault(places[id(variable)], np.ones(tuple(variable.shape), np.bool_))
        np.moveaxis(mask, axis, -1)[..., channels] = False

    for group, order in zip(groups, orders, strict=True):
        channels = np.ones(group.width, np.bool_)
        channels[order[: kept_width(group.width, share)]] = False
        for layer in (*group.writers, *group.filters):
            remove(layer.kernel, channels, 2 if layer in group.filters else 3)
            if layer.use_bias:
                remove(layer.bias, channels, 0)
        for layer in group.readers:
            remove(layer.kernel, channels, 2)
    total = sum(int(np.prod(variable.shape)) for variable in model.weights)
    return Pruning(masks, total, total - sum(int((~mask).sum()) for mask in masks.values()))

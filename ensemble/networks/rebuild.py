"""Rebuild a member's network in Keras from its settings and its weight file, to predict on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from ensemble.arrays import Groups
from ensemble.networks.build import build_network
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images.spec import ChipSpec
from features.networks import backbones
from features.networks.backbone_shapes import BackboneOptions
from features.networks.keras_runtime import KerasNetwork


@dataclass(frozen=True)
class RebuildTarget:
    """The chips, labels and dtype that a network is rebuilt for; exactly one label of each group holds."""

    spec: ChipSpec
    labels: int
    groups: Groups
    policy: str  # Keras' dtype policy: float32 or mixed_bfloat16


def rebuild_network(settings: FrozenMember | TunedMember, weights: Path, target: RebuildTarget) -> KerasNetwork:
    """Return the compiled network of a member, with the weights of its `network.weights.h5`.

    Raises:
        ValueError: for a softmax over all labels, whose scale is only in the OpenVINO network.
    """
    with _policy(target.policy), _nothing_drawn():
        if isinstance(settings, FrozenMember):
            options = BackboneOptions(settings.sees, settings.shrink, settings.pool)
            model = backbones.build(settings.backbone, target.spec, layer=settings.layer, options=options)
        elif settings.output == "softmax":
            raise ValueError(
                f"{settings.name} has a softmax over all labels, which runs only on the CPU; use --device cpu."
            )
        else:
            unloaded = replace(settings, weights="none", init="imagenet")  # with the norms folded, as after training
            model = build_network(unloaded, target.spec, np.full(target.labels, 0.5), target.groups)
        model.load_weights(weights)
    return KerasNetwork(model)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _nothing_drawn() -> Iterator[None]:
    """Let kernels begin as zeros in place of random numbers, because a file's weights take their place.

    jax compiles a program for each shape that it draws: for the bundled model two thirds of the time of its start.
    """
    kernels = keras.initializers.VarianceScaling  # the parent of the kind that Keras' layers begin with
    draw = kernels.__call__

    kernels.__call__ = lambda _, shape, dtype=None, **options: np.zeros(shape, dtype or "float32")
    try:
        yield
    finally:
        kernels.__call__ = draw

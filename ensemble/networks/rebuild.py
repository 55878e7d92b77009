"""A member's network built anew by Keras from its settings and its weight file, to run on a GPU."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from ensemble.networks.losses import Groups
from ensemble.networks.settings import FrozenMember, TunedMember
from ensemble.networks.train import build_network
from features.images.chips import ChipSpec
from features.networks import backbones
from features.networks.backbones import BackboneOptions
from features.networks.keras_runtime import KerasNetwork


@dataclass(frozen=True)
class RebuildTarget:
    """What a network is rebuilt for: chips, how many labels, columns of which one holds, and Keras' dtype policy."""

    spec: ChipSpec
    labels: int
    groups: Groups
    policy: str  # float32 or mixed_bfloat16


def rebuild_network(settings: FrozenMember | TunedMember, weights: Path, target: RebuildTarget) -> KerasNetwork:
    """The compiled network of a member, with the weights of its `network.weights.h5`.

    Raises:
        ValueError: for a softmax over all labels, whose scale stands in the OpenVINO network alone.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(target.policy)
    try:
        if isinstance(settings, FrozenMember):
            frame = BackboneOptions(settings.sees, settings.shrink, settings.pool)
            model = backbones.build(settings.backbone, target.spec, layer=settings.layer, options=frame)
        elif settings.output == "softmax":
            raise ValueError(f"{settings.name} has a softmax over all labels, which runs on the CPU alone.")
        else:
            start = replace(settings, weights="none")
            model = build_network(start, target.spec, np.full(target.labels, 0.5), target.groups)
        model.load_weights(weights)
    finally:
        keras.config.set_dtype_policy(before)
    return KerasNetwork(model)

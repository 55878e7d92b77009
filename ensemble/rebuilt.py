"""A member's network built anew by Keras from its settings and its weight file, to run on a GPU."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from ensemble import losses, member, nets
from features import accelerator, backbones, chips


@dataclass(frozen=True)
class Target:
    """What a network is rebuilt for: chips, how many labels, columns of which one holds, and Keras' dtype policy."""

    spec: chips.ChipSpec
    labels: int
    groups: losses.Groups
    policy: str  # float32 or mixed_bfloat16


def network(settings: member.Frozen | member.Tuned, weights: Path, target: Target) -> accelerator.Network:
    """The compiled network of a member, with the weights of its `network.weights.h5`.

    Raises:
        ValueError: for a softmax over all labels, whose scale stands in the OpenVINO network alone.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(target.policy)
    try:
        if isinstance(settings, member.Frozen):
            frame = backbones.Frame(settings.sees, settings.shrink, settings.pool)
            model = backbones.build(settings.backbone, target.spec, cut=settings.cut, frame=frame)
        elif settings.output == "softmax":
            raise ValueError(f"{settings.name} has a softmax over all labels, which runs on the CPU alone.")
        else:
            start = replace(settings, weights="none")
            model = nets.build(start, target.spec, np.full(target.labels, 0.5), target.groups)
        model.load_weights(weights)
    finally:
        keras.config.set_dtype_policy(before)
    return accelerator.Network(model)

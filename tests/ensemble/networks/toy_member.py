"""A member on the toy backbone, and its network before training."""

import keras
import numpy as np

from ensemble.networks.build import build_network
from ensemble.networks.settings import TunedMember
from features.images import chips
from features.images.spec import ChipSpec

SPEC = ChipSpec(side=64)
SETTINGS = TunedMember("net", "toy", weights="none", epochs=3, batch=8, rate=3e-3)


def untrained_network(settings=SETTINGS, rates=(0.5, 0.5, 0.01), groups=()):
    keras.utils.set_random_seed(0)
    return build_network(settings, SPEC, np.array(rates), groups)


def pixels_of(source):
    return np.stack([chips.load(path, SPEC) for path in source.paths])

"""The network that is pretrained: a backbone of the table with pooling, and its weight file."""

from pathlib import Path

import keras

from features.images.spec import ChipSpec
from features.initialisation.start import Start
from features.networks import backbones, batch_norm
from features.networks.backbone_table import BACKBONES
from features.networks.backbones import settled_backbones
from features.pretraining.settings import PretrainSettings


def build_encoder(settings: PretrainSettings, spec: ChipSpec, weights: str) -> keras.Model:
    """Return the network from integer chips to vectors; see `backbones.build` for weights and errors.

    Batch norms of loaded weights are folded and keep their statistics; those of random weights take the statistics of
    batches.
    """
    start = Start("random", settings.seed) if settings.random else backbones.LOADED
    return backbones.build(settings.backbone, spec, weights=weights, start=start)


def save_backbone(encoder: keras.Model, settings: PretrainSettings, path: Path) -> None:
    """Write the weights of the encoder's backbone as a file `.weights.h5` of the whole backbone."""
    (settled,) = settled_backbones(encoder)
    keras.config.set_dtype_policy("float32")
    whole = BACKBONES[settings.backbone].make(input_shape=settled.input.shape[1:], include_top=False, weights=None)
    batch_norm.unfold(settled.network, whole)
    whole.save_weights(path)

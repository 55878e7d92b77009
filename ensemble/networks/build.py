"""Fine-tuned networks as Keras models: a backbone with a head, before training and after it.

Written on Keras alone, so that it runs on each of its backends. `ensemble.networks.train` trains them.
"""

from dataclasses import replace

import keras
import numpy as np
from keras import layers, ops

from ensemble.arrays import Floats, Groups
from ensemble.networks import logits
from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec
from features.initialisation.start import Start
from features.networks import backbones
from features.networks.backbone_shapes import BackboneOptions
from features.networks.backbones import settled_backbones
from features.networks.hypercomplex import PHDense

BOTTLENECK = "bottleneck"  # the layer's name


def build_network(
    settings: TunedMember, spec: ChipSpec, rates: Floats, groups: Groups = (), *, shrink: int = 1, seed: int = 0
) -> keras.Model:
    """Return the backbone with a head whose scores start at the labels' rates.

    Args:
        settings: the member; its `weights` may be a path.
        spec: the chips that it takes.
        rates: (labels,) the share of training chips that carry each label, in (0, 1).
        groups: columns whose scores sum to 1, for a grouped output.
        shrink: how many times smaller than in the member's settings the chips enter the backbone.
        seed: of the weights that `init` redraws.
    """
    options = BackboneOptions(
        settings.sees,
        settings.shrink * shrink,
        settings.pool,
        settings.components,
        stacked=settings.pairs == "stacked" and spec.dates > 1,
    )
    start = Start(settings.init, seed)
    trunk = backbones.build(
        settings.backbone, spec, layer=settings.layer, weights=settings.weights, options=options, start=start
    )
    vectors = trunk.output
    if settings.pairs == "bottleneck" and spec.dates > 1:
        vectors = _bottleneck(vectors, spec.dates)
    vectors = layers.Dropout(settings.dropout, seed=0, name="dropout")(vectors)  # its seed is part of the state
    groups = softmax_groups(settings, len(rates), groups)

    zeros = settings.schedule == "hyperrule"
    dense = logits.make(
        settings.logits,
        len(rates),
        kernel_initializer="zeros" if zeros else keras.initializers.RandomNormal(stddev=0.01, seed=0),
        dtype="float32",  # also under mixed precision: the last sum decides
        name="labels",
    )
    model = keras.Model(trunk.input, _activate(dense(vectors), len(rates), groups), name=settings.backbone)
    dense.bias.assign(_start_bias(rates, groups))
    return model


def _bottleneck(vectors: keras.KerasTensor, dates: int) -> keras.KerasTensor:
    """Join the vectors of all dates, one component each, by a hypercomplex layer into as many columns as one has."""
    columns = vectors.shape[-1] // dates
    units = max(1, columns // dates) * dates  # which the components divide
    return PHDense(units, components=dates, activation="relu", name=BOTTLENECK)(vectors)


def softmax_groups(settings: TunedMember, labels: int, groups: Groups) -> Groups:
    """Return the columns that each softmax of a member's output joins."""
    return {"sigmoid": (), "grouped": groups, "softmax": (tuple(range(labels)),)}[settings.output]


def _start_bias(rates: Floats, groups: Groups) -> Floats:
    """Return the logits (labels,) whose scores are the rates, or within a group their shares."""
    bias: Floats = np.log(rates / (1 - rates))
    for group in groups:
        bias[list(group)] = np.log(rates[list(group)] / rates[list(group)].sum())
    return bias


def _activate(values: keras.KerasTensor, labels: int, groups: Groups) -> keras.KerasTensor:
    """Return scores: a softmax over each group, a sigmoid for each other label, columns in the labels' order."""
    grouped = [column for group in groups for column in group]
    single = [column for column in range(labels) if column not in grouped]
    parts = [ops.softmax(ops.take(values, list(group), axis=-1)) for group in groups]
    parts += [ops.sigmoid(ops.take(values, single, axis=-1))] if single else []
    scores = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    order = [int(place) for place in np.argsort([*grouped, *single])]
    return ops.take(scores, order, axis=-1) if order != sorted(order) else scores


def finish_network(
    model: keras.Model, settings: TunedMember, spec: ChipSpec, rates: Floats, groups: Groups
) -> keras.Model:
    """Return a trained network for prediction: in float32, without its optimizer, and with scores in [0, 1].

    Scores of a softmax over all labels sum to 1; they are multiplied by the mean number of labels of a chip.
    """
    if settings.init != "imagenet":
        plain = build_network(replace(settings, init="imagenet", weights="none"), spec, rates, groups)
        backbones.fold_live_norms(model, plain)
        for layer in (BOTTLENECK, "labels"):
            if layer in [other.name for other in plain.layers]:
                plain.get_layer(layer).set_weights(model.get_layer(layer).get_weights())
        model = plain
    elif keras.mixed_precision.dtype_policy().name != model.dtype_policy.name:
        weights = model.get_weights()
        model = build_network(settings, spec, rates, groups)
        model.set_weights(weights)
    absorb_statistics(model)
    scores = model.output
    if settings.output == "softmax":
        scores = ops.minimum(scores * float(rates.sum()), 1.0)
    return keras.Model(model.inputs, scores)  # without the optimizer, which is twice as large as the weights


def absorb_statistics(model: keras.Model) -> None:
    """Move the fixed mean and variance of remaining batch norms into their trained scale and offset, in place.

    The network computes the same scores, and every number in it is a trained weight. A batch norm without scale or
    offset is left as it is.
    """
    for layer in [layer for trunk in settled_backbones(model) for layer in trunk.network.layers]:
        if isinstance(layer, layers.BatchNormalization) and layer.scale and layer.center:
            gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in layer.get_weights())
            gain = gamma / np.sqrt(variance + layer.epsilon)
            layer.set_weights([gain, beta - gain * mean, 0 * mean, np.full_like(variance, 1 - layer.epsilon)])


def layer_positions(model: keras.Model) -> list[tuple[float, keras.Layer]]:
    """Return the backbone's layers that have weights, each with its position: 0 for the first layer, 1 for the last."""
    positions = []
    for trunk in settled_backbones(model):
        weighted = [layer for layer in trunk.network.layers if layer.weights]
        positions += [(place / max(1, len(weighted) - 1), layer) for place, layer in enumerate(weighted)]
    return positions

"""BYOL (Grill et al. 2020): predict, from one view of a chip, what a slower copy of the network makes of the other."""

from typing import Any

import keras
import numpy as np
from keras import ops

from features.pretraining.collapse import normalise
from features.pretraining.contrastive import join_views, perceptron, report

HIDDEN, PROJECTED = 512, 256  # columns of projection and prediction; the paper's second layer has 256
START_MOMENTUM = 0.996


def momentum(step: Any, steps: int) -> Any:
    """Return how much of the target stays at a step: from `START_MOMENTUM` along a cosine to 1 (section 3.1)."""
    share = ops.minimum(ops.cast(step, "float32") / steps, 1.0)
    return 1 - (1 - START_MOMENTUM) * (ops.cos(np.pi * share) + 1) / 2


def distance(predicted: Any, target: Any) -> Any:
    """Return the squared distance (chips,) of normalised vectors (equation 2), from 0 to 4; the target is constant."""
    target = ops.stop_gradient(normalise(target))
    return ops.sum(ops.square(normalise(predicted) - target), axis=-1)


@keras.saving.register_keras_serializable("amazon_tags")
class Bootstrap(keras.Model):  # type: ignore[misc]  # Keras has no types
    """An encoder with projection and prediction, and their moving average as target, from pairs of views to losses.

    The target has no network of its own but weights, with which the same layers are computed. It moves at the
    beginning of the step after that of the optimizer, which is the same as at the end of it.

    Called with the views (batch, 2, side, side, bands) it returns for each chip the loss, in [0, 8], and the spread of
    the batch (batch, 2).

    Args:
        encoder: From pixels to vectors.
        steps: Of the whole training.
        accumulate: Batches in a step.
    """

    def __init__(self, encoder: keras.Model, steps: int, accumulate: int = 1) -> None:
        super().__init__(name="bootstrap", dtype="float32")
        self.encoder, self.steps, self.accumulate = encoder, steps, accumulate
        self.projection = perceptron(encoder.output_shape[-1], HIDDEN, PROJECTED, "projection")
        self.prediction = perceptron(PROJECTED, HIDDEN, PROJECTED, "prediction")
        self.online = keras.Model(encoder.input, self.projection(encoder.output), name="online")
        self.seen = self.add_weight((), initializer="zeros", dtype="int32", trainable=False, name="seen")
        self.targets = [
            self.add_weight(variable.shape, trainable=False, name=f"target_{place}")
            for place, variable in enumerate(self.online.trainable_variables)
        ]
        for target, variable in zip(self.targets, self.online.trainable_variables, strict=True):
            target.assign(np.array(variable))  # a copy: jax would let both share one buffer, which it cannot update

    def call(self, batch: Any, training: bool | None = None) -> Any:
        """Return losses and spread; in training, move the target before."""
        if training:
            self._move()
        views = join_views(batch)
        targets = ops.stop_gradient(self._project_by_target(views, training))
        predicted = self.prediction(self.online(views, training=training), training=training)
        losses = distance(predicted[0::2], targets[1::2]) + distance(predicted[1::2], targets[0::2])
        return report(losses, targets[0::2])

    def _move(self) -> None:
        """Move the target towards the network, after each step of the optimizer; before the first it is the network."""
        step = self.seen // self.accumulate
        is_due = ops.cast(ops.equal(self.seen % self.accumulate, 0), "float32")
        share = is_due * (1 - momentum(step - 1, self.steps))  # step k of the paper ends after batch k + 1 here
        for target, variable in zip(self.targets, self.online.trainable_variables, strict=True):
            target.assign(target + share * (ops.stop_gradient(ops.convert_to_tensor(variable)) - target))
        self.seen.assign(self.seen + 1)

    def _project_by_target(self, views: Any, training: bool | None) -> Any:
        """Return projected vectors of views by the weights of the target; batch norms work as in the network."""
        weights = [ops.convert_to_tensor(target) for target in self.targets]
        statistics = [ops.convert_to_tensor(variable) for variable in self.online.non_trainable_variables]
        vectors, _ = self.online.stateless_call(weights, statistics, views, training=training)
        return vectors

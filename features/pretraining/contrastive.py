"""SimCLR (Chen et al. 2020): two views of a chip shall be more alike than views of different chips."""

from typing import Any

import keras
from keras import layers, ops

from features.pretraining.collapse import normalise, spread

HIDDEN, PROJECTED = 512, 128  # columns of the two layers of the projection; the paper's second one has 128
TEMPERATURE = 0.2
EXCLUDED = -1e9  # a similarity that adds nothing to a sum of exponentials


def nt_xent(first: Any, second: Any, temperature: float = TEMPERATURE, groups: Any = None) -> Any:
    """Return the loss of each pair (pairs,), whose mean is the paper's: the mean over the 2N views (equation 1).

    The official code has the sum over both views of a pair, hence twice this.

    Args:
        first: Vectors (pairs, dim) of one view of each chip, of any length.
        second: Those of the other view.
        temperature: What similarities are divided by.
        groups: (pairs,) integers; views of other chips of the same group are no negatives.
    """
    count = ops.shape(first)[0]
    vectors = ops.concatenate([normalise(first), normalise(second)], axis=0)
    similarities = ops.matmul(vectors, ops.transpose(vectors)) / temperature
    places = ops.arange(2 * count)
    is_self = ops.equal(places[:, None], places[None, :])
    is_positive = ops.equal(places[:, None], ops.mod(places + count, 2 * count)[None, :])
    is_excluded = is_self
    if groups is not None:
        both = ops.concatenate([groups, groups], axis=0)
        neighbours = ops.logical_and(ops.equal(both[:, None], both[None, :]), ops.logical_not(is_positive))
        is_excluded = ops.logical_or(is_self, neighbours)

    others = ops.logsumexp(ops.where(is_excluded, EXCLUDED, similarities), axis=-1)
    positives = ops.sum(ops.where(is_positive, similarities, 0.0), axis=-1)
    losses = others - positives
    return (losses[:count] + losses[count:]) / 2


@keras.saving.register_keras_serializable("amazon_tags")
class Contrast(keras.Model):  # type: ignore[misc]  # Keras has no types
    """An encoder with a projection of two layers, from pairs of views to losses.

    Called with the views (batch, 2, side, side, bands) and the groups (batch,), it returns for each chip the loss and
    the spread of the batch (batch, 2).
    """

    def __init__(self, encoder: keras.Model) -> None:
        super().__init__(name="contrast", dtype="float32")
        self.encoder = encoder
        self.projection = perceptron(encoder.output_shape[-1], HIDDEN, PROJECTED, "projection")

    def call(self, batch: Any, training: bool | None = None) -> Any:
        """Return losses and spread."""
        views, groups = batch
        vectors = self.projection(self.encoder(join_views(views), training=training), training=training)
        losses = nt_xent(vectors[0::2], vectors[1::2], groups=groups)
        return report(losses, vectors[0::2])


def perceptron(width: int, hidden: int, output: int, name: str) -> keras.Model:
    """Build two layers with a batch norm and a ReLU between them."""
    vectors = keras.Input((width,))
    raised = layers.Dense(hidden, use_bias=False, name=f"{name}_hidden")(vectors)
    raised = layers.ReLU()(layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(raised))
    return keras.Model(vectors, layers.Dense(output, dtype="float32", name=f"{name}_output")(raised), name=name)


def join_views(views: Any) -> Any:
    """Return pairs (batch, 2, side, side, bands) as images (2 * batch, side, side, bands), pair after pair."""
    return ops.reshape(views, (-1, *views.shape[2:]))


def report(losses: Any, vectors: Any) -> Any:
    """Return what a method's model returns: losses (batch,) beside the spread of vectors (batch, dim), (batch, 2)."""
    return ops.stack([losses, ops.zeros_like(losses) + ops.stop_gradient(spread(vectors))], axis=-1)

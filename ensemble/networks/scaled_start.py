"""Scale the weights of a network before its training by GradInit, on the chips and the optimizer of its training."""

import itertools
from collections.abc import Iterator
from functools import partial

import keras

from ensemble.arrays import Groups
from ensemble.networks import losses
from ensemble.networks.batches import BatchSource, EpochBatches, seed_of
from ensemble.networks.settings import TunedMember
from features.initialisation import gradinit
from features.initialisation.gradinit import Batch, FirstStep

STREAM = 1  # tells the seeds of these batches from those of the training


def scale_start(
    model: keras.Model, settings: TunedMember, source: BatchSource, *, groups: Groups, step: FirstStep, seed: int
) -> None:
    """Scale the trainable weights of a network in place.

    The loss is the cross-entropy of the logits whatever the member's is: where scores are saturated, as at the starts
    that this is for, a loss of scores has no gradient.

    Args:
        model: From `build_network`.
        settings: The member.
        source: The chips and their targets.
        groups: Columns that a softmax joins.
        step: The first step of the optimizer.
        seed: Of the batches.
    """
    logits = keras.Model(model.inputs, model.get_layer("labels").output)
    loss = partial(losses.cross_entropy_of_logits, groups=groups)
    gradinit.scale_weights(logits, loss, _endless_batches(source, settings.batch, seed), step)


def first_step(rates: tuple[float, ...], entropy: float, *, is_adam: bool) -> FirstStep:
    """Return the first step of an optimizer with the rate of each trainable variable.

    To first order, a step of rate r lowers the loss by r times the norm of the gradients for Adam, and by r times its
    square for SGD. The bound is where this is the whole loss of a network that has learnt nothing: its `entropy`.
    """
    bound = entropy / max(rates)
    return FirstStep(is_adam, rates, bound if is_adam else bound**0.5)


def _endless_batches(source: BatchSource, batch: int, seed: int) -> Iterator[Batch]:
    for epoch in itertools.count():
        batches = EpochBatches(source, batch, seed=seed_of(seed, epoch, STREAM))
        yield from (batches[number] for number in range(len(batches)))

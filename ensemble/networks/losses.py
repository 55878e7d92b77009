"""Losses of one chip's probabilities, written on `keras.ops`, and masked where nobody knows the truth.

Each takes targets and probabilities (batch, labels) and returns (batch,). A target lies in [0, 1], or is NaN: unknown.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

Groups = tuple[tuple[int, ...], ...]  # columns of which exactly one holds
Loss = Callable[[Any, Any], Any]

LEAST = 1e-7  # a probability below is taken for this, or its logarithm would be infinite
CHASED, DROPPED, MARGIN = 0.0, 4.0, 0.05  # gamma+, gamma- and m of the asymmetric loss, the paper's section 4.1


def known(targets: Any) -> tuple[Any, Any]:
    """Targets with 0 for the unknown, and a mask that is 1 where they are known."""
    unknown = ops.isnan(targets)
    return ops.where(unknown, 0.0, targets), 1.0 - ops.cast(unknown, targets.dtype)


def cross_entropy(targets: Any, probabilities: Any, *, groups: Groups = (), positive: float = 1.0) -> Any:
    """The mean over labels of the binary cross-entropy; within a group the categorical one.

    Args:
        targets: (batch, labels).
        probabilities: (batch, labels); those of a group sum to 1.
        groups: columns. All labels in one group make it the softmax loss over normalised targets.
        positive: how much more a label that holds weighs than one that does not; binary labels only.
    """
    targets, mask = known(targets)
    sure = _logarithm(probabilities)
    for group in groups:  # what a group's unknown labels are given is no matter: the known ones share the rest
        inside = ops.convert_to_tensor([float(column in group) for column in range(targets.shape[-1])], targets.dtype)
        unknown = ops.sum(inside * (1 - mask) * probabilities, axis=-1, keepdims=True)
        sure = sure - inside * _logarithm(1 - unknown)
    grouped = [column for group in groups for column in group]
    count = targets.shape[-1]
    binary = ops.convert_to_tensor([0.0 if column in grouped else 1.0 for column in range(count)], targets.dtype)
    negative = (1 - targets) * _logarithm(1 - probabilities)
    categorical = 1 - binary
    losses = -(binary * (positive * targets * sure + negative) + categorical * targets * sure)
    return ops.sum(mask * losses, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)


def soft_fbeta(targets: Any, probabilities: Any, *, beta: float = 2.0) -> Any:
    """1 - F-beta of each chip, with probabilities for tags: F = (1 + beta^2) tp / (beta^2 positives + given).

    Per chip, as the score is; per batch it would let one chip's labels pay for another's.
    """
    targets, mask = known(targets)
    given = mask * probabilities
    hits = ops.sum(targets * given, axis=-1)
    total = beta**2 * ops.sum(targets, axis=-1) + ops.sum(given, axis=-1)
    return 1 - (1 + beta**2) * hits / ops.maximum(total, LEAST)


def asymmetric(targets: Any, probabilities: Any) -> Any:
    """The asymmetric loss (Ridnik et al. 2021, equations 4 to 6): absent labels that are easy count next to nothing."""
    targets, mask = known(targets)
    shifted = ops.maximum(probabilities - MARGIN, 0.0)
    holds = (1 - probabilities) ** CHASED * _logarithm(probabilities)
    absent = shifted**DROPPED * _logarithm(1 - shifted)
    return -ops.sum(mask * (targets * holds + (1 - targets) * absent), axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "soft_fbeta": soft_fbeta, "asymmetric": asymmetric}


def make(name: str, *, groups: Groups = (), positive: float = 1.0, smoothing: float = 0.0) -> Loss:
    """A loss by its name.

    Args:
        name: a key of `LOSSES`.
        groups: columns that a softmax joins.
        positive: the weight of labels that hold; cross-entropy only.
        smoothing: the share of each target that is spread evenly, over a group's labels or over yes and no (Szegedy
            et al. 2016, section 7).
    """
    loss = partial(cross_entropy, groups=groups, positive=positive) if name == "cross_entropy" else LOSSES[name]
    sizes = {column: len(group) for group in groups for column in group}

    def smoothed(targets: Any, probabilities: Any) -> Any:
        evenly = [1 / sizes.get(column, 2) for column in range(targets.shape[-1])]
        spread = smoothing * ops.convert_to_tensor(evenly, targets.dtype)
        return loss((1 - smoothing) * targets + spread, probabilities)

    return smoothed if smoothing else loss


def _logarithm(probabilities: Any) -> Any:
    return ops.log(ops.clip(probabilities, LEAST, 1.0))

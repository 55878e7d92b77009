"""Losses of predicted probabilities, on `keras.ops`, which ignore unknown labels.

Each takes targets and probabilities (batch, labels) and returns (batch,). A target is in [0, 1], or NaN if unknown.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from keras import ops

from ensemble.arrays import Groups

Loss = Callable[[Any, Any], Any]  # targets and probabilities (batch, labels) to losses (batch,)

MIN_PROBABILITY = 1e-7  # before a logarithm
GAMMA_POSITIVE, GAMMA_NEGATIVE, MARGIN = 0.0, 4.0, 0.05  # of the asymmetric loss (Ridnik et al. 2021, section 4.1)


def mask_unknown(targets: Any) -> tuple[Any, Any]:
    """Return targets with 0 for the unknown ones, and a mask that is 1 where they are known."""
    unknown = ops.isnan(targets)
    return ops.where(unknown, 0.0, targets), 1.0 - ops.cast(unknown, targets.dtype)


def cross_entropy(targets: Any, probabilities: Any, *, groups: Groups = (), positive: float = 1.0) -> Any:
    """Return the mean over labels of the binary cross-entropy; within a group, of the categorical one.

    Args:
        targets: (batch, labels).
        probabilities: (batch, labels); those of a group sum to 1.
        groups: columns. All labels in one group make it the softmax loss over normalised targets.
        positive: weight of a label that holds over one that does not; of labels outside of groups only.
    """
    targets, mask = mask_unknown(targets)
    logarithms = _logarithm(probabilities)
    for group in groups:  # the probability of a group's unknown labels is divided among its known ones
        inside = ops.convert_to_tensor([float(column in group) for column in range(targets.shape[-1])], targets.dtype)
        unknown = ops.sum(inside * (1 - mask) * probabilities, axis=-1, keepdims=True)
        logarithms = logarithms - inside * _logarithm(1 - unknown)

    grouped = [column for group in groups for column in group]
    count = targets.shape[-1]
    binary = ops.convert_to_tensor([0.0 if column in grouped else 1.0 for column in range(count)], targets.dtype)
    negative = (1 - targets) * _logarithm(1 - probabilities)
    categorical = 1 - binary
    losses = -(binary * (positive * targets * logarithms + negative) + categorical * targets * logarithms)
    return ops.sum(mask * losses, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)


def cross_entropy_of_logits(targets: Any, logits: Any, *, groups: Groups = ()) -> Any:
    """Return `cross_entropy` of the scores that logits become; it has gradients also where scores are saturated.

    Args:
        targets: (batch, labels); unknown ones are left out, also of groups.
        logits: (batch, labels).
        groups: columns that a softmax joins.
    """
    targets, mask = mask_unknown(targets)
    holds, absent = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
    for group in groups:
        inside = ops.convert_to_tensor([column in group for column in range(targets.shape[-1])])
        total = ops.logsumexp(ops.take(logits, list(group), axis=-1), axis=-1, keepdims=True)
        holds, absent = ops.where(inside, logits - total, holds), ops.where(inside, 0.0, absent)
    losses = -(targets * holds + (1 - targets) * absent)
    return ops.sum(mask * losses, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)


def squared_error(targets: Any, probabilities: Any) -> Any:
    """Return the mean over labels of the squared error of probabilities (Brier 1950), a proper scoring rule.

    Kornblith et al. (2021) take that of logits; here losses take probabilities, like scores.
    """
    targets, mask = mask_unknown(targets)
    squares = (probabilities - targets) ** 2
    return ops.sum(mask * squares, axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)


def soft_fbeta(targets: Any, probabilities: Any, *, beta: float = 2.0) -> Any:
    """Return 1 - F-beta of each chip, with probabilities as tags: F = (1 + beta^2) hits / (beta^2 true + predicted).

    It is computed per chip, like the metric; per batch, one chip's labels would make up for another's. A chip without
    true labels has a loss of 1 whatever its probabilities are, so it teaches nothing: where many chips are empty, use
    another loss.
    """
    targets, mask = mask_unknown(targets)
    predicted = mask * probabilities
    hits = ops.sum(targets * predicted, axis=-1)
    total = beta**2 * ops.sum(targets, axis=-1) + ops.sum(predicted, axis=-1)
    return 1 - (1 + beta**2) * hits / ops.maximum(total, MIN_PROBABILITY)


def asymmetric(targets: Any, probabilities: Any) -> Any:
    """Return the asymmetric loss (Ridnik et al. 2021, equations 4 to 6), in which easy absent labels hardly count."""
    targets, mask = mask_unknown(targets)
    shifted = ops.maximum(probabilities - MARGIN, 0.0)
    holds = (1 - probabilities) ** GAMMA_POSITIVE * _logarithm(probabilities)
    absent = shifted**GAMMA_NEGATIVE * _logarithm(1 - shifted)
    return -ops.sum(mask * (targets * holds + (1 - targets) * absent), axis=-1) / ops.maximum(ops.sum(mask, axis=-1), 1)


LOSSES: dict[str, Loss] = {  # keys as in `settings.LOSSES`
    "cross_entropy": cross_entropy,
    "squared_error": squared_error,
    "soft_fbeta": soft_fbeta,
    "asymmetric": asymmetric,
}


def make(name: str, *, groups: Groups = (), positive: float = 1.0, smoothing: float = 0.0) -> Loss:
    """Return a loss by its name, with its options.

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
    return ops.log(ops.clip(probabilities, MIN_PROBABILITY, 1.0))

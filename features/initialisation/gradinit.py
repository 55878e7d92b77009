"""Scale the weights of a network so that one step of its optimizer lowers the loss most, with bounded gradients.

This is GradInit (Zhu et al. 2021), written from the paper's formulas: each tensor gets one positive factor, and the
factors are learnt on batches. It rescues a start whose signals or gradients explode.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from features.initialisation.gradients import compile_function, value_and_gradients

Batch = tuple[NDArray[Any], NDArray[Any]]  # what the network takes, and targets; all batches have one size
Loss = Callable[[Any, Any], Any]  # targets and predictions (batch, ...) to losses (batch,)

MIN_FACTOR = 0.01  # the paper's lower bound
STEPS = 100
FACTOR_RATE = 0.03  # mean move of a factor in the first step; it falls to 0, so that all steps sum up to 1.5
OFFSETS = ("bias", "beta")  # roles of variables that are not scaled: they start at 0, or at the labels' rates


@dataclass(frozen=True)
class FirstStep:
    """The first step of an optimizer, and the bound on the gradients that it is taken with.

    Attributes:
        is_adam: whether a step is the sign of the gradient, as Adam's first one, or the gradient, as that of SGD.
        rates: the learning rate of each trainable variable.
        bound: of the gradients' norm: the sum of absolute values for Adam, the Euclidean one for SGD.
    """

    is_adam: bool
    rates: tuple[float, ...]
    bound: float

    def norm(self, gradients: list[Any]) -> Any:
        """Return the norm of the gradients of all variables together."""
        if self.is_adam:
            return sum(ops.sum(ops.abs(gradient)) for gradient in gradients)
        return ops.sqrt(sum(ops.sum(gradient**2) for gradient in gradients))

    def apply(self, weights: list[Any], gradients: list[Any]) -> list[Any]:
        """Return the weights after the step."""
        moves = [ops.sign(gradient) if self.is_adam else gradient for gradient in gradients]
        return [weight - rate * move for weight, rate, move in zip(weights, self.rates, moves, strict=True)]


def scale_weights(
    model: keras.Model, loss: Loss, batches: Iterator[Batch], step: FirstStep, *, steps: int = STEPS
) -> dict[str, float]:
    """Scale the trainable weights of a network in place; return the factor of each variable, by its path.

    As in the paper's algorithm 1, the factors descend on the norm of the gradients where that is above the bound, else
    on the loss after the step, on a batch of which one half was not in the batch of the step. Each descent is along
    the gradient by a length of its own. Offsets keep their values, and so does all that is not trained, such as the
    statistics of norms.

    Args:
        model: Returns predictions (batch, ...).
        loss: Of targets and predictions.
        batches: One more than `steps`, or any number above.
        step: Of the optimizer.
        steps: How often the factors are moved.

    Raises:
        FloatingPointError: The loss or its gradients are not finite.
    """
    variables = model.trainable_variables
    places = [place for place, variable in enumerate(variables) if variable.path.rpartition("/")[2] not in OFFSETS]
    start, rest = (
        [ops.convert_to_tensor(value) for value in part] for part in (variables, model.non_trainable_variables)
    )
    factors = np.ones(len(places))
    slope = compile_function(_objective_slope(model, loss, step, places))

    first = next(batches)
    for number in range(steps):
        other = next(batches)
        second = _half_overlapping(first, other)
        arrays = [ops.convert_to_tensor(array) for array in (*first, *second)]
        gradient = ops.convert_to_numpy(slope(ops.convert_to_tensor(factors, "float32"), start, rest, *arrays))
        length = np.sqrt(np.mean(np.square(gradient, dtype=np.float64)))  # only the direction counts: norms explode
        if not np.isfinite(length):
            raise FloatingPointError("the gradients at the start grad are not finite; use the start auto or random.")
        if length:
            factors = np.maximum(factors - FACTOR_RATE * (1 - number / steps) * gradient / length, MIN_FACTOR)
        first = other

    for place, factor in zip(places, factors, strict=True):
        variables[place].assign(start[place] * factor)
    return {variables[place].path: float(factor) for place, factor in zip(places, factors, strict=True)}


def _objective_slope(model: keras.Model, loss: Loss, step: FirstStep, places: list[int]) -> Callable[..., Any]:
    """Return the function whose value is the gradient, by the factors, of what they descend on."""

    def slope(factors: Any, start: list[Any], rest: list[Any], *arrays: Any) -> Any:
        def loss_at(weights: list[Any], images: Any, targets: Any) -> Any:
            predictions, _ = model.stateless_call(weights, rest, images, training=True)
            return ops.mean(loss(targets, predictions))

        def objective(tensors: list[Any]) -> Any:
            weights = list(start)
            for number, place in enumerate(places):
                weights[place] = start[place] * tensors[0][number]
            _, gradients = value_and_gradients(lambda values: loss_at(values, *arrays[:2]), weights)
            norm = step.norm(gradients)
            return ops.cond(
                norm > step.bound, lambda: norm, lambda: loss_at(step.apply(weights, gradients), *arrays[2:])
            )

        return value_and_gradients(objective, [factors])[1][0]

    return slope


def _half_overlapping(first: Batch, other: Batch) -> Batch:
    """Return the second half of one batch with the first half of the other."""
    middle = len(first[0]) // 2
    images, targets = (np.concatenate([old[middle:], new[:middle]]) for old, new in zip(first, other, strict=True))
    return images, targets

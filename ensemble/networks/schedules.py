"""Learning rates by step: plain functions, and the optimizers that follow them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

BIT_RATE, BIT_BATCH = 0.003, 512  # of BiT-HyperRule
MIXUP_FROM = 20_000  # training chips


@dataclass(frozen=True)
class HyperRule:
    """BiT-HyperRule (Kolesnikov et al. 2020, section 3.3): what to do with a data set, from its size alone.

    The rate rises linearly to `rate` over the first of `steps`, falls to a tenth after each of the next, and training
    ends at the last. Another batch than 512 gets a rate in proportion and as many steps more, so that as many chips
    are shown.
    """

    steps: tuple[int, ...]
    rate: float
    mixup: float  # alpha

    def at(self, step: int) -> float:
        """The learning rate at a step; 0 from the last on."""
        if step < self.steps[0]:
            return self.rate * step / self.steps[0]
        if step >= self.steps[-1]:
            return 0.0
        return self.rate / 10.0 ** sum(step > bound for bound in self.steps[1:])


def hyperrule(chips: int, batch: int = BIT_BATCH) -> HyperRule:
    """The rule for so many training chips.

    Example:
        >>> hyperrule(40_479).at(250)
        0.0015
    """
    if chips < MIXUP_FROM:
        steps = (100, 200, 300, 400, 500)
    elif chips < 500_000:
        steps = (500, 3000, 6000, 9000, 10_000)
    else:
        steps = (500, 6000, 12_000, 18_000, 20_000)
    longer = BIT_BATCH / batch
    return HyperRule(
        tuple(max(1, round(step * longer)) for step in steps),
        BIT_RATE / longer,
        0.1 if chips >= MIXUP_FROM else 0.0,
    )


class Stairs(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """A `HyperRule` as Keras asks for it."""

    def __init__(self, rule: HyperRule) -> None:
        self.rule = rule

    def __call__(self, step: Any) -> Any:
        """The learning rate at a step."""
        first, *bounds, last = (float(bound) for bound in self.rule.steps)
        step = ops.cast(step, "float32")
        falls = sum(ops.cast(step > bound, "float32") for bound in bounds)
        rate = self.rule.rate * ops.minimum(step / first, 1.0) / 10.0**falls
        return ops.where(step >= last, 0.0, rate)

    def get_config(self) -> dict[str, Any]:
        """What Keras writes down of it."""
        return {"rule": self.rule}


def _paced(base: type) -> Any:
    """An optimizer whose variables have shares of the learning rate, and which leaves averaged weights to `settle`.

    Its rate goes by steps, where Keras' own would go by batches, of which a step may gather several.
    """

    class Paced(base):  # type: ignore[misc]
        shares: Sequence[float] = ()  # one a trainable variable, or none: then all have the whole rate

        def _get_current_learning_rate(self) -> Any:
            return self._learning_rate(self.iterations)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * self._share(variable))

        def _apply_weight_decay(self, variables: Any) -> None:
            """As Keras has it, but that a variable with a share of the rate has that share of the decay."""
            for variable in variables if self.weight_decay else ():
                rate = ops.cast(self.learning_rate * self._share(variable), variable.dtype)
                variable.assign(variable - variable * self.weight_decay * rate)

        def _share(self, variable: Any) -> float:
            return self.shares[self._get_variable_index(variable)] if self.shares else 1.0

        def finalize_variable_values(self, var_list: Any) -> None:
            """Keras would put the averages in at the end of each `fit`, hence of each epoch."""

        def settle(self, variables: Any) -> None:
            """Put the averages, if any were kept, into the model."""
            super().finalize_variable_values(variables)

    return Paced


PacedAdamW, PacedSGD = _paced(keras.optimizers.AdamW), _paced(keras.optimizers.SGD)

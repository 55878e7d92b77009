"""Learning rates by step: plain functions, and the optimizers that follow them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

BIT_RATE, BIT_BATCH = 0.003, 512  # learning rate and batch size of BiT-HyperRule
MIN_MIXUP_CHIPS = 20_000  # training chips from which the rule mixes them


@dataclass(frozen=True)
class HyperRule:
    """BiT-HyperRule (Kolesnikov et al. 2020, section 3.3): a schedule that follows from the size of the data set.

    The rate rises linearly to `rate` until the first of `steps`, falls to a tenth after each of the next, and training
    ends at the last. For another batch size than 512, the rate is in proportion and the steps in inverse proportion, so
    that training shows as many chips.
    """

    steps: tuple[int, ...]
    rate: float
    mixup: float  # alpha

    def at(self, step: int) -> float:
        """Return the learning rate at a step; 0 from the last on."""
        if step < self.steps[0]:
            return self.rate * step / self.steps[0]
        if step >= self.steps[-1]:
            return 0.0
        return self.rate / 10.0 ** sum(step > bound for bound in self.steps[1:])


def hyperrule(chips: int, batch: int = BIT_BATCH) -> HyperRule:
    """Return the rule for a number of training chips and a batch size.

    Example:
        >>> hyperrule(40_479).at(250)
        0.0015
    """
    if chips < MIN_MIXUP_CHIPS:
        steps = (100, 200, 300, 400, 500)
    elif chips < 500_000:
        steps = (500, 3000, 6000, 9000, 10_000)
    else:
        steps = (500, 6000, 12_000, 18_000, 20_000)
    longer = BIT_BATCH / batch
    return HyperRule(
        tuple(max(1, round(step * longer)) for step in steps),
        BIT_RATE / longer,
        0.1 if chips >= MIN_MIXUP_CHIPS else 0.0,
    )


class Stairs(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """A `HyperRule` as a Keras learning-rate schedule."""

    def __init__(self, rule: HyperRule) -> None:
        self.rule = rule

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at a step."""
        first, *bounds, last = (float(bound) for bound in self.rule.steps)
        step = ops.cast(step, "float32")
        falls = sum(ops.cast(step > bound, "float32") for bound in bounds)
        rate = self.rule.rate * ops.minimum(step / first, 1.0) / 10.0**falls
        return ops.where(step >= last, 0.0, rate)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration that Keras stores."""
        return {"rule": self.rule}


def _paced(base: type) -> Any:
    """Return a Keras optimizer class with a share of the learning rate for each variable and an explicit `settle`.

    Its rate follows the steps; Keras' own follows the batches, of which a step may accumulate several.
    """

    class Paced(base):  # type: ignore[misc]
        shares: Sequence[float] = ()  # one for each trainable variable, or none: then all have the whole rate

        def _get_current_learning_rate(self) -> Any:
            return self._learning_rate(self.iterations)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * self._share(variable))

        def _apply_weight_decay(self, variables: Any) -> None:
            """Decay weights as Keras does, but each variable by its share of the rate."""
            whole = self.learning_rate  # once a step: without a compiler, the schedule is slower than the decay
            for variable in variables if self.weight_decay else ():
                rate = ops.cast(whole * self._share(variable), variable.dtype)
                variable.assign(variable - variable * self.weight_decay * rate)

        def _share(self, variable: Any) -> float:
            return self.shares[self._get_variable_index(variable)] if self.shares else 1.0

        def finalize_variable_values(self, var_list: Any) -> None:
            """Do nothing: Keras would put the averages into the model after each `fit`, hence after each epoch."""

        def settle(self, variables: Any) -> None:
            """Put the averaged weights, where `use_ema` is set, into the model."""
            super().finalize_variable_values(variables)

    return Paced


PacedAdamW, PacedSGD = _paced(keras.optimizers.AdamW), _paced(keras.optimizers.SGD)

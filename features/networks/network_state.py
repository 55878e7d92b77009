"""All numbers of a network in training, of its layers and its optimizer, by which a stopped training goes on."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

NetworkState = dict[str, NDArray[Any]]


def read_state(model: keras.Model) -> NetworkState:
    """Return a copy of every variable of a compiled model, by its place."""
    return {f"{place}": np.array(ops.convert_to_numpy(variable)) for place, variable in enumerate(_variables(model))}


def restore_state(model: keras.Model, state: NetworkState) -> None:
    """Give the variables of a compiled model the values that `read_state` returned; other keys of a state are left.

    Raises:
        ValueError: The state belongs to another network.
    """
    variables = _variables(model)
    count = sum(key.isdecimal() for key in state)
    if count != len(variables):
        raise ValueError(
            f"the state has {count} variables, but the model has {len(variables)}; remove the work folder and "
            "start the training again."
        )
    for place, variable in enumerate(variables):
        variable.assign(state[f"{place}"])


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]

"""Run a network on a GPU by Keras, on any of its backends, with the interface of `openvino_runtime.OpenvinoNetwork`.

Calls return before the result is computed, on all three backends, so the next batch is copied while one is computed.
A batch that does not fit the device's memory is halved until it does. A model in float32 is computed in float32.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from features.arrays import ChipBatch, NetworkOutput
from features.networks import devices

BATCH = 128  # with fewer, a small network's kernels do not fill a GPU


class KerasNetwork:
    """A Keras model from integer chips to rows of floats.

    Attributes:
        chip_shape: (side, side, bands) of the chips that it expects.
        dtype: Their integer type.
        dim: Columns of its output.
        batch: Chips that are computed at once; it is halved when the device's memory is full.
    """

    def __init__(self, model: keras.Model, batch: int = BATCH) -> None:
        shape = model.input_shape
        self.chip_shape: tuple[int, int, int] = (shape[1], shape[2], shape[3])
        self.dtype = np.dtype(model.inputs[0].dtype)
        self.dim = int(model.output_shape[-1])
        self.batch = batch
        self._precision = devices.exact_float32 if model.compute_dtype == "float32" else nullcontext
        self._apply = _compile(model)

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """Return the output (chips, dim) for any number of chips, in their order."""
        batches = [self.start(chips[first : first + self.batch]) for first in range(0, len(chips), self.batch)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *(finish() for finish in batches)])

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Start computing some chips; the returned function waits for their output.

        Raises:
            ValueError: The chips have another shape or type than the network expects.
        """
        if batch.shape[1:] != self.chip_shape or batch.dtype != self.dtype:
            raise ValueError(
                f"got a batch of {batch.dtype} {batch.shape}, but the network expects {self.dtype} chips "
                f"{self.chip_shape}; conform the chips to its chip spec."
            )
        if len(batch) > self.batch:  # it was formed before `self.batch` was halved
            return lambda: self(batch)

        padded = np.zeros((self.batch, *self.chip_shape), self.dtype)  # each new size would be compiled again
        padded[: len(batch)] = batch
        try:
            with self._precision():
                output = self._apply(padded)
        except Exception as error:
            if not self._halve_batch(batch, error):
                raise
            return lambda: self(batch)

        def finish() -> NetworkOutput:
            try:
                return np.array(keras.ops.convert_to_numpy(output), np.float32)[: len(batch)]
            except Exception as error:  # a failure on the device is raised when its output is read
                if not self._halve_batch(batch, error):
                    raise
                return self(batch)

        return finish

    def _halve_batch(self, batch: ChipBatch, error: Exception) -> bool:
        """Halve `self.batch` if the device's memory was full and smaller batches can be tried; return whether so."""
        if not devices.is_out_of_memory(error) or len(batch) < 2:
            return False
        self.batch = max(1, min(self.batch, len(batch)) // 2)
        return True


def _compile(model: keras.Model) -> Callable[[NDArray[Any]], Any]:
    """Return a function from an array to a tensor of the backend; it returns before the tensor is computed."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax  # noqa: PLC0415  the backend in use, so it is loaded already

        state = (model.trainable_variables, model.non_trainable_variables)
        trainable, others = ([variable.value for variable in part] for part in state)
        apply = jax.jit(lambda *state: model.stateless_call(*state, training=False)[0])
        return lambda batch: apply(trainable, others, batch)
    if backend == "tensorflow":
        import tensorflow  # noqa: PLC0415  as above

        compiled: Callable[[NDArray[Any]], Any] = tensorflow.function(
            lambda batch: model(batch, training=False), jit_compile=bool(devices.count_accelerators()), autograph=False
        )
        return compiled
    import torch  # noqa: PLC0415  as above

    def apply_torch(batch: NDArray[Any]) -> Any:
        with torch.no_grad():
            return model(keras.ops.convert_to_tensor(batch), training=False)

    return apply_torch

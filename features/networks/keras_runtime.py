"""A network on a GPU, by Keras on whichever backend is there: the same face as `features.runtime.Network`.

Calls return at once, on all three backends, while the device copies and computes; so the next batch is on its way
while one is computed. Where the device's memory is too small for a batch, it is halved, until it fits.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from features.networks import devices
from features.networks.openvino_runtime import ChipBatch, NetworkOutput

BATCH = 128  # a small network's kernels do not fill a GPU with fewer


class KerasNetwork:
    """A Keras model from integer chips to rows of floats."""

    def __init__(self, model: keras.Model, batch: int = BATCH) -> None:
        shape = model.input_shape
        self.chip_shape: tuple[int, int, int] = (shape[1], shape[2], shape[3])
        self.dtype = np.dtype(model.inputs[0].dtype)
        self.dim = int(model.output_shape[-1])
        self.batch = batch
        self._apply = _compiled(model)

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """The network's output for any number of chips, in their order."""
        flights = [self.start(chips[first : first + self.batch]) for first in range(0, len(chips), self.batch)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *(finish() for finish in flights)])

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Begin with some chips; the function returned waits for their output.

        Raises:
            ValueError: if the chips have another shape or type than the network's.
        """
        if batch.shape[1:] != self.chip_shape or batch.dtype != self.dtype:
            raise ValueError(
                f"got a batch of {batch.dtype} {batch.shape}, but the network eats {self.dtype} {self.chip_shape}; "
                "conform the chips to its chip spec."
            )
        if len(batch) > self.batch:  # made before the batch was halved
            return lambda: self(batch)
        padded = np.zeros((self.batch, *self.chip_shape), self.dtype)  # one size, or it would be compiled anew
        padded[: len(batch)] = batch
        try:
            flight = self._apply(padded)
        except Exception as error:
            if not self._halved(batch, error):
                raise
            return lambda: self(batch)

        def finish() -> NetworkOutput:
            try:
                return np.array(keras.ops.convert_to_numpy(flight), np.float32)[: len(batch)]
            except Exception as error:  # what the device could not do is told when its output is asked for
                if not self._halved(batch, error):
                    raise
                return self(batch)

        return finish

    def _halved(self, batch: ChipBatch, error: Exception) -> bool:
        """Whether the device's memory was what failed, and smaller batches can be tried."""
        if not devices.is_out_of_memory(error) or len(batch) < 2:
            return False
        self.batch = max(1, min(self.batch, len(batch)) // 2)
        return True


def _compiled(model: keras.Model) -> Callable[[NDArray[Any]], Any]:
    """A function from an array to a tensor of the backend, which it returns before it is computed."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax  # noqa: PLC0415  the backend that is in use anyway

        state = (model.trainable_variables, model.non_trainable_variables)
        trained, other = ([variable.value for variable in part] for part in state)
        apply = jax.jit(lambda *state: model.stateless_call(*state, training=False)[0])
        return lambda batch: apply(trained, other, batch)
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

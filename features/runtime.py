"""A compiled network: integer batch in, float array out, by OpenVINO on the CPU.

A network runs in batches of exactly `BATCH` chips, padded with zeros where fewer are left, on streams of one
thread each. So a chip's numbers depend neither on its neighbours, nor on where a batch ends, nor on `jobs`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing openvino would send an event
import openvino  # noqa: E402
import openvino.opset13  # noqa: E402

Batch = NDArray[np.uint8] | NDArray[np.uint16]  # (chips, side, side, bands)
Floats = NDArray[np.float32]  # (chips, dim)

BATCH = 16  # past 8 the throughput of small networks no longer grows; 16 keeps a batch of 256 px chips in 3 MiB


class Network:
    """A network on the CPU; make one by `load`."""

    def __init__(self, compiled: Any) -> None:
        shape = tuple(compiled.input(0).shape)
        self.chip_shape: tuple[int, int, int] = (shape[1], shape[2], shape[3])
        self.dtype = np.dtype(compiled.input(0).element_type.to_dtype())
        self.dim = int(compiled.output(0).shape[1])
        self.batch = BATCH
        self._compiled = compiled
        self._idle: list[Any] = []

    def __call__(self, chips: Batch) -> Floats:
        """The network's output for any number of chips, in their order."""
        flights = [self.start(chips[first : first + BATCH]) for first in range(0, len(chips), BATCH)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *(finish() for finish in flights)])

    def start(self, batch: Batch) -> Callable[[], Floats]:
        """Begin with a batch of at most `BATCH` chips; the function returned waits for its output.

        Raises:
            ValueError: if the batch is larger, or its chips have another shape or type than the network's.
        """
        if batch.shape[1:] != self.chip_shape or batch.dtype != self.dtype or len(batch) > BATCH:
            raise ValueError(
                f"got a batch of {batch.dtype} {batch.shape}, but the network eats {self.dtype} of at most {BATCH} "
                f"chips {self.chip_shape}; conform the chips to its chip spec."
            )
        padded = batch
        if len(batch) < BATCH or not batch.flags.c_contiguous:
            padded = np.zeros((BATCH, *self.chip_shape), self.dtype)
            padded[: len(batch)] = batch
        request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        request.start_async({0: padded}, share_inputs=True)

        def finish() -> Floats:
            request.wait()
            output = np.array(request.get_output_tensor(0).data[: len(batch)], np.float32)
            self._idle.append(request)
            return output

        return finish


def computes(hint: str) -> bool:
    """Whether this processor computes in `bf16` by itself; every one does in `f32`."""
    return hint == "f32" or hint.upper() in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def save(graph: Any, path: Path) -> None:
    """Write a graph as `path` and its weights beside it, in the same bytes whatever was converted before it."""
    for place, operation in enumerate(graph.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")  # theirs count all that a process converts
        for output in operation.outputs():
            output.get_tensor().set_names(set())
    openvino.save_model(graph, path, compress_to_fp16=False)


@dataclass(frozen=True)
class Dense:
    """A last layer: sigmoid(((vectors - mean) / spread) @ weights + bias); (dim,), (dim,), (dim, out), (out,)."""

    mean: Floats
    spread: Floats
    weights: Floats
    bias: Floats


def load(xml: bytes, weights: bytes, *, jobs: int = 1, hint: str = "f32", last: Dense | None = None) -> Network:
    """Compile a network from the bytes of its OpenVINO files, for `jobs` threads.

    Args:
        xml: the graph.
        weights: its numbers.
        jobs: threads.
        hint: what floats are computed in, `f32` or `bf16`; integers of a quantised network stay what they are.
        last: a layer to put on, so that the network gives scores instead of vectors.

    Raises:
        ValueError: if the bytes are no OpenVINO network from one batch of chips to one row of floats a chip.
    """
    core = openvino.Core()
    try:
        model = core.read_model(xml, weights)
        _, *chip = model.input(0).partial_shape
        model.reshape([BATCH, *chip])
        if last is not None:
            model = _extended(model, last)
        options = {"NUM_STREAMS": jobs, "INFERENCE_NUM_THREADS": jobs, "INFERENCE_PRECISION_HINT": hint}
        return Network(core.compile_model(model, "CPU", options))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"these bytes are not a network that OpenVINO can run: {error}") from error


def _extended(model: Any, last: Dense) -> Any:
    operations = openvino.opset13
    vectors = model.output(0).get_node().input_value(0)
    even = operations.divide(operations.subtract(vectors, operations.constant(last.mean)), last.spread)
    odds = operations.add(operations.matmul(even, last.weights, False, False), last.bias)
    return openvino.Model([operations.result(operations.sigmoid(odds))], model.get_parameters())

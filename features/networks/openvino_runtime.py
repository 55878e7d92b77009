"""A compiled network: integer batch in, float array out, by OpenVINO on the CPU.

A network runs on exactly `GRAIN` chips at once, padded with zeros where fewer are left, on streams of one thread
each. So a chip's numbers depend neither on its neighbours, nor on where a batch ends, nor on `jobs`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing openvino would send an event
import openvino  # noqa: E402
import openvino.opset13  # noqa: E402

ChipBatch = NDArray[np.uint8] | NDArray[np.uint16]  # (chips, side, side, bands)
NetworkOutput = NDArray[np.float32]  # (chips, dim)

CHIPS_A_REQUEST = (
    4  # what a small network makes of 4 chips stays in a core's cache; 16 at once take up to 1.6 times as long
)
BATCH = 16  # chips handed over at a time; 16 keep what Python does for each batch below a hundredth of the time

ARITHMETIC = ("Add", "Divide", "Multiply", "Subtract")


class OpenvinoNetwork:
    """A network on the CPU; make one by `load`."""

    def __init__(self, compiled: Any) -> None:
        shape = tuple(compiled.input(0).shape)
        self.chip_shape: tuple[int, int, int] = (shape[1], shape[2], shape[3])
        self.dtype = np.dtype(compiled.input(0).element_type.to_dtype())
        self.dim = int(compiled.output(0).shape[1])
        self.batch = BATCH
        self._compiled = compiled
        self._idle: list[Any] = []

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """The network's output for any number of chips, in their order."""
        parts = [self.start(chips[first : first + BATCH])() for first in range(0, len(chips), BATCH)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *parts])

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Begin with a batch of chips; the function returned waits for its output.

        Raises:
            ValueError: if the chips have another shape or type than the network's.
        """
        if batch.shape[1:] != self.chip_shape or batch.dtype != self.dtype:
            raise ValueError(
                f"got a batch of {batch.dtype} {batch.shape}, but the network eats {self.dtype} chips "
                f"{self.chip_shape}; conform the chips to its chip spec."
            )
        waiting = [
            self._begin(batch[first : first + CHIPS_A_REQUEST]) for first in range(0, len(batch), CHIPS_A_REQUEST)
        ]

        def finish() -> NetworkOutput:
            outputs = np.zeros((len(batch), self.dim), np.float32)
            for first, request in zip(range(0, len(batch), CHIPS_A_REQUEST), waiting, strict=True):
                request.wait()
                outputs[first : first + CHIPS_A_REQUEST] = request.get_output_tensor(0).data[: len(batch) - first]
                self._idle.append(request)
            return outputs

        return finish

    def _begin(self, chips: ChipBatch) -> Any:
        if len(chips) < CHIPS_A_REQUEST or not chips.flags.c_contiguous:
            padded = np.zeros((CHIPS_A_REQUEST, *self.chip_shape), self.dtype)
            padded[: len(chips)] = chips
            chips = padded
        request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        request.start_async({0: chips}, share_inputs=True)
        return request


def supports(hint: str) -> bool:
    """Whether this processor computes in `bf16` by itself; every one does in `f32`."""
    return hint == "f32" or hint.upper() in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def save(graph: Any, path: Path) -> None:
    """Write a graph as `path` and its weights beside it, in the same bytes whatever was converted before it."""
    for place, operation in enumerate(graph.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")  # theirs count all that a process converts
        for output in operation.outputs():
            output.get_tensor().set_names(set())
    openvino.save_model(graph, path, compress_to_fp16=False)


@dataclass(frozen=True)
class OutputLayer:
    """A last layer: sigmoid(((vectors - mean) / spread) @ weights + bias); (dim,), (dim,), (dim, out), (out,)."""

    mean: NetworkOutput
    spread: NetworkOutput
    weights: NetworkOutput
    bias: NetworkOutput


def load(
    xml: bytes, weights: bytes, *, jobs: int = 1, hint: str = "f32", last: OutputLayer | None = None
) -> OpenvinoNetwork:
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
    core = _core()
    try:
        model = core.read_model(xml, weights)
        _, *chip = model.input(0).partial_shape
        model.reshape([CHIPS_A_REQUEST, *chip])
        _sink(model)
        if last is not None:
            model = _extended(model, last)
        options = {"NUM_STREAMS": jobs, "INFERENCE_NUM_THREADS": jobs, "INFERENCE_PRECISION_HINT": hint}
        return OpenvinoNetwork(core.compile_model(model, "CPU", options))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"these bytes are not a network that OpenVINO can run: {error}") from error


@cache
def _core() -> Any:
    """The one of this process, kept until it ends.

    Its CPU plugin gives the thread that loads it a stack for signals, which goes with the plugin. If that went in
    another thread, as it may after an exception, the next signal would find no stack, and crash the process.
    """
    return openvino.Core()


def _extended(model: Any, last: OutputLayer) -> Any:
    operations = openvino.opset13
    vectors = model.output(0).get_node().input_value(0)
    even = operations.divide(operations.subtract(vectors, operations.constant(last.mean)), last.spread)
    odds = operations.add(operations.matmul(even, last.weights, False, False), last.bias)
    return openvino.Model([operations.result(operations.sigmoid(odds))], model.get_parameters())


def _sink(model: Any) -> None:
    """Move the chips' transposition behind the arithmetic that normalises them.

    Keras has channels last and OpenVINO first. A convolution that eats a transposed array directly takes the pixels as
    they lie, so that the transposition costs nothing; in front of other operations it is carried out.
    """
    for transposed in model.get_ordered_ops():
        source = transposed.input_value(0) if transposed.get_type_name() == "Transpose" else None
        if source is None or source.get_node().get_type_name() != "Convert":
            continue
        value, last = source, transposed
        while (step := _arithmetic(last)) is not None:
            channels_last = step.input_value(1).get_node().data.transpose(0, 2, 3, 1)
            value = getattr(openvino.opset13, step.get_type_name().lower())(value, channels_last).output(0)
            last = step
        late = openvino.opset13.transpose(value, transposed.input_value(1)).output(0)
        for reader in last.output(0).get_target_inputs():
            reader.replace_source_output(late)


def _arithmetic(node: Any) -> Any | None:
    """What joins this node's output with a constant of four dimensions, if nothing else reads that output."""
    readers = list(node.output(0).get_target_inputs())
    step = readers[0].get_node()
    if len(readers) > 1 or readers[0].get_index() or step.get_type_name() not in ARITHMETIC:
        return None
    constant = step.input_value(1).get_node()
    return step if constant.get_type_name() == "Constant" and len(constant.shape) == 4 else None

"""Run a compiled network on the CPU by OpenVINO: a batch of integer chips in, an array of floats out.

A network always computes exactly `CHIPS_A_REQUEST` chips at once, padded with zeros if fewer are left, on streams of
one thread each. So a chip's output depends neither on the other chips, nor on where a batch ends, nor on `jobs`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import ChipBatch, LayerWeights, NetworkOutput

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing openvino would send an event
import openvino  # noqa: E402
import openvino.opset13  # noqa: E402

# What a small network computes for 4 chips fits into a core's cache; 16 at once take up to 1.6 times as long.
CHIPS_A_REQUEST = 4
BATCH = 16  # chips passed to `start` at once; with 16, Python's part is below a hundredth of the time

ARITHMETIC = ("Add", "Divide", "Multiply", "Subtract")


class OpenvinoNetwork:
    """A network on the CPU, returned by `load`.

    Attributes:
        chip_shape: (side, side, bands) of the chips that it expects.
        dtype: Their integer type.
        dim: Columns of its output.
        batch: The number of chips that `start` is best called with.
    """

    def __init__(self, compiled: Any) -> None:
        shape = tuple(compiled.input(0).shape)
        self.chip_shape: tuple[int, int, int] = (shape[1], shape[2], shape[3])
        self.dtype = np.dtype(compiled.input(0).element_type.to_dtype())
        self.dim = int(compiled.output(0).shape[1])
        self.batch = BATCH
        self._compiled = compiled
        self._idle: list[Any] = []  # requests that can be used again

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """Return the output (chips, dim) for any number of chips, in their order."""
        parts = [self.start(chips[first : first + BATCH])() for first in range(0, len(chips), BATCH)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *parts])

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Start computing a batch of chips; the returned function waits for its output.

        Raises:
            ValueError: The chips have another shape or type than the network expects.
        """
        if batch.shape[1:] != self.chip_shape or batch.dtype != self.dtype:
            raise ValueError(
                f"got a batch of {batch.dtype} {batch.shape}, but the network expects {self.dtype} chips "
                f"{self.chip_shape}; conform the chips to its chip spec."
            )
        starts = range(0, len(batch), CHIPS_A_REQUEST)
        requests = [self._start_request(batch[first : first + CHIPS_A_REQUEST]) for first in starts]

        def finish() -> NetworkOutput:
            outputs = np.zeros((len(batch), self.dim), np.float32)
            for first, request in zip(starts, requests, strict=True):
                request.wait()
                outputs[first : first + CHIPS_A_REQUEST] = request.get_output_tensor(0).data[: len(batch) - first]
                self._idle.append(request)
            return outputs

        return finish

    def _start_request(self, chips: ChipBatch) -> Any:
        if len(chips) < CHIPS_A_REQUEST or not chips.flags.c_contiguous:
            padded = np.zeros((CHIPS_A_REQUEST, *self.chip_shape), self.dtype)
            padded[: len(chips)] = chips
            chips = padded
        request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        request.start_async({0: chips}, share_inputs=True)
        return request


def supports(hint: str) -> bool:
    """Return whether this processor has instructions for `bf16`; all of them support `f32`."""
    return hint == "f32" or hint.upper() in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def save(graph: Any, path: Path) -> None:
    """Write a graph to `path` and its weights beside it; the bytes do not depend on earlier conversions."""
    for place, operation in enumerate(graph.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{place}")  # OpenVINO numbers names by process
        for output in operation.outputs():
            output.get_tensor().set_names(set())
    openvino.save_model(graph, path, compress_to_fp16=False)


@dataclass(frozen=True)
class OutputLayer:
    """A layer from vectors to scores: sigmoid(((vectors - mean) / spread) @ weights + bias).

    Attributes:
        mean: (dim,).
        spread: (dim,), positive.
        weights: (dim, labels).
        bias: (labels,).
    """

    mean: LayerWeights
    spread: LayerWeights
    weights: LayerWeights
    bias: LayerWeights


def load(
    xml: bytes, weights: bytes, *, jobs: int = 1, hint: str = "f32", last: OutputLayer | None = None
) -> OpenvinoNetwork:
    """Compile a network from the bytes of its OpenVINO files.

    Args:
        xml: The graph, `network.xml`.
        weights: Its numbers, `network.bin`.
        jobs: The number of threads.
        hint: The type that floats are computed in, `f32` or `bf16`; the integers of a quantised network stay integers.
        last: A layer to append, so that the network returns scores instead of vectors.

    Raises:
        ValueError: The bytes are not an OpenVINO network from a batch of chips to a row of floats a chip.
    """
    try:
        model = read_graph(xml, weights)
        if last is not None:
            model = append_layer(model, last)
        return compile_graph(model, jobs=jobs, hint=hint)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"these bytes are not a network that OpenVINO can run: {error}") from error


def read_graph(xml: bytes, weights: bytes) -> Any:
    """Return the graph of a network's OpenVINO files, for `CHIPS_A_REQUEST` chips; other bytes raise various errors."""
    model = _core().read_model(xml, weights)
    _, *chip_shape = model.input(0).partial_shape
    model.reshape([CHIPS_A_REQUEST, *chip_shape])
    transpose_after_scaling(model)
    return model


def compile_graph(model: Any, *, jobs: int = 1, hint: str = "f32") -> OpenvinoNetwork:
    """Compile a graph from `CHIPS_A_REQUEST` chips to a row of floats a chip; the options are those of `load`."""
    options = {"NUM_STREAMS": jobs, "INFERENCE_NUM_THREADS": jobs, "INFERENCE_PRECISION_HINT": hint}
    return OpenvinoNetwork(_core().compile_model(model, "CPU", options))


@cache
def _core() -> Any:
    """Return the one OpenVINO core of this process, which lives until the process ends.

    Its CPU plugin gives the thread that loads it an alternate signal stack and frees that stack when it is unloaded.
    If another thread unloaded it, as may happen after an exception, the next signal would crash the process.
    """
    return openvino.Core()


def append_layer(model: Any, last: OutputLayer) -> Any:
    """Return the graph of a network with a layer at its end."""
    operations = openvino.opset13
    vectors = model.output(0).get_node().input_value(0)
    standardised = operations.divide(operations.subtract(vectors, operations.constant(last.mean)), last.spread)
    log_odds = operations.add(operations.matmul(standardised, last.weights, False, False), last.bias)
    return openvino.Model([operations.result(operations.sigmoid(log_odds))], model.get_parameters())


def transpose_after_scaling(model: Any) -> None:
    """Move, in place, the transposition of the chips behind the arithmetic that scales them.

    Keras has channels last and OpenVINO first. A convolution that directly follows a transposition reads the pixels as
    they are stored, so that it costs nothing; before other operations the transposition is executed.
    """
    for transposition in model.get_ordered_ops():
        source = transposition.input_value(0) if _puts_channels_first(transposition) else None
        if source is None or source.get_node().get_type_name() != "Convert":
            continue
        value, last = source, transposition
        while (step := _next_arithmetic(last)) is not None:
            channels_last = step.input_value(1).get_node().data.transpose(0, 2, 3, 1)
            value = getattr(openvino.opset13, step.get_type_name().lower())(value, channels_last).output(0)
            last = step
        moved = openvino.opset13.transpose(value, transposition.input_value(1)).output(0)
        for reader in last.output(0).get_target_inputs():
            reader.replace_source_output(moved)


def _puts_channels_first(node: Any) -> bool:
    """Return whether an operation transposes from channels last; in a user's own network others may stand."""
    if node.get_type_name() != "Transpose" or node.input_value(1).get_node().get_type_name() != "Constant":
        return False
    return list(node.input_value(1).get_node().data) == [0, 3, 1, 2]


def _next_arithmetic(node: Any) -> Any | None:
    """Return the operation of this node's output with a constant of four dimensions, if it alone reads that output."""
    readers = list(node.output(0).get_target_inputs())
    step = readers[0].get_node()
    if len(readers) > 1 or readers[0].get_index() or step.get_type_name() not in ARITHMETIC:
        return None
    constant = step.input_value(1).get_node()
    return step if constant.get_type_name() == "Constant" and len(constant.shape) == 4 else None

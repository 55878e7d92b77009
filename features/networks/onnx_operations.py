"""OpenVINO's operations as ONNX nodes of opset 20, one conversion for each operation in the table `OPERATIONS`.

The table has the operations of this project's backbones, inputs and heads. `onnx_export` walks a graph with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET = 20  # the first one with Gelu; ONNX Runtime reads it since 1.17
FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max  # ONNX's bounds of a slice that has none


class NotConvertibleError(ValueError):
    """A network that has no conversion to ONNX; the message names the operation."""


@dataclass
class OnnxGraph:
    """The nodes and constants converted so far.

    Attributes:
        nodes: In an order in which they can be computed.
        constants: The numbers in the file.
        names: The ONNX name of each OpenVINO output that is no constant, by the operation's name and the port.
    """

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    names: dict[tuple[str, int], str] = field(default_factory=dict)

    def constant(self, value: NDArray[Any]) -> str:
        """Store a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def integers(self, values: Any) -> str:
        """Store a list of 64-bit integers, as ONNX expects axes and shapes, and return its name."""
        return self.constant(np.atleast_1d(np.asarray(values, np.int64)))

    def add(self, kind: str, inputs: Sequence[str], *, outputs: int = 1, **attributes: Any) -> str:
        """Append a node and return the name of its first output; further ones end in _1, _2, ..."""
        name = f"{kind}_{len(self.nodes)}"
        names = [name, *(f"{name}_{port}" for port in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return name


@dataclass(frozen=True)
class Operation:
    """An operation of OpenVINO, and the ONNX graph that it is converted into."""

    node: Any
    graph: OnnxGraph

    @property
    def kind(self) -> str:
        """The name of its type, such as Convolution."""
        return str(self.node.get_type_name())

    @property
    def attributes(self) -> dict[str, Any]:
        """Its attributes, by OpenVINO's names."""
        return dict(self.node.get_attributes())

    @property
    def inputs(self) -> list[str]:
        """The ONNX names of all inputs."""
        return [self.input(port) for port in range(self.node.get_input_size())]

    def input(self, port: int) -> str:
        """Return the ONNX name of an input; a constant is stored first."""
        source = self.node.input_value(port)
        if source.get_node().get_type_name() == "Constant":
            return self.graph.constant(self.value(port))
        return self.graph.names[source.get_node().get_friendly_name(), source.get_index()]

    def value(self, port: int) -> NDArray[Any]:
        """Return the value of an input.

        Raises:
            NotConvertibleError: it is not a constant.
        """
        source = self.node.input_value(port).get_node()
        if source.get_type_name() != "Constant":
            raise NotConvertibleError(f"{self.kind} with a computed input {port}")
        return np.array(source.data)

    def shape(self, port: int) -> str:
        """Return the ONNX name of an input that is a shape, in the 64-bit integers that ONNX expects."""
        source = self.node.input_value(port).get_node()
        if source.get_type_name() == "Constant":
            return self.graph.integers(self.value(port))
        return self.graph.add("Cast", [self.input(port)], to=TensorProto.INT64)

    def refuse_unless(self, **allowed: Any) -> None:
        """Raise NotConvertibleError unless these attributes, where it has them, have these values."""
        for name, value in allowed.items():
            if self.attributes.get(name, value) != value:
                raise NotConvertibleError(f"{self.kind} with {name} {self.attributes[name]}")


Convert = Callable[[Operation], str]  # appends nodes and returns the name of the operation's first output


def _same(kind: str) -> Convert:
    """Convert an operation that ONNX has too, with the same inputs and no attributes."""

    def convert(operation: Operation) -> str:
        operation.refuse_unless(auto_broadcast="numpy")
        return operation.graph.add(kind, operation.inputs)

    return convert


def _cast(operation: Operation) -> str:
    numbers = operation.node.output(0).get_element_type().to_dtype()
    return operation.graph.add("Cast", operation.inputs, to=helper.np_dtype_to_tensor_dtype(np.dtype(numbers)))


def _divide(operation: Operation) -> str:
    if not operation.node.output(0).get_element_type().is_real():  # the two formats round integers differently
        raise NotConvertibleError("Divide of integers")
    return _same("Div")(operation)


def _squared_difference(operation: Operation) -> str:
    difference = _same("Sub")(operation)
    return operation.graph.add("Mul", [difference, difference])


def _clamp(operation: Operation) -> str:
    numbers = np.dtype(operation.node.output(0).get_element_type().to_dtype())
    ends = [np.array(operation.attributes[name], numbers) for name in ("min", "max")]
    return operation.graph.add("Clip", [operation.input(0), *map(operation.graph.constant, ends)])


def _swish(operation: Operation) -> str:
    value, *slope = operation.inputs
    inner = operation.graph.add("Mul", [value, *slope]) if slope else value
    return operation.graph.add("Mul", [value, operation.graph.add("Sigmoid", [inner])])


def _hard_sigmoid(operation: Operation) -> str:
    return operation.graph.add("HardSigmoid", operation.inputs, alpha=1 / 6, beta=0.5)


def _gelu(operation: Operation) -> str:
    approximate = {"ERF": "none", "TANH": "tanh"}[operation.attributes["approximation_mode"].upper()]
    return operation.graph.add("Gelu", operation.inputs, approximate=approximate)


def _softmax(operation: Operation) -> str:
    return operation.graph.add("Softmax", operation.inputs, axis=operation.attributes["axis"])


def _matmul(operation: Operation) -> str:
    names = operation.inputs
    for port, side in enumerate("ab"):
        if operation.attributes[f"transpose_{side}"]:
            axes = list(range(len(operation.node.input_value(port).get_partial_shape())))
            axes[-2:] = axes[:-3:-1]
            names[port] = operation.graph.add("Transpose", [names[port]], perm=axes)
    return operation.graph.add("MatMul", names)


def _window(operation: Operation) -> dict[str, Any]:
    """Return the attributes of a convolution or pooling that say where its windows are."""
    attributes = operation.attributes
    window = {"strides": list(attributes["strides"])}
    if "dilations" in attributes:
        window["dilations"] = list(attributes["dilations"])
    if attributes["auto_pad"] == "explicit":
        return window | {"pads": [*attributes["pads_begin"], *attributes["pads_end"]]}
    return window | {"auto_pad": attributes["auto_pad"].upper()}


def _convolution(operation: Operation) -> str:
    return operation.graph.add("Conv", operation.inputs, **_window(operation))


def _group_convolution(operation: Operation) -> str:
    weights = operation.value(1)  # (groups, outputs a group, inputs a group, height, width)
    joined = operation.graph.constant(weights.reshape(-1, *weights.shape[2:]))
    return operation.graph.add("Conv", [operation.input(0), joined], group=len(weights), **_window(operation))


def _pool(kind: str) -> Convert:
    def convert(operation: Operation) -> str:
        _refuse_further_outputs(operation)
        operation.refuse_unless(rounding_type="floor")
        attributes = {"kernel_shape": list(operation.attributes["kernel"])} | _window(operation)
        if kind == "AveragePool":
            attributes["count_include_pad"] = int(not operation.attributes["exclude-pad"])
        return operation.graph.add(kind, operation.inputs, **attributes)

    return convert


def _refuse_further_outputs(operation: Operation) -> None:
    if any(output.get_target_inputs() for output in operation.node.outputs()[1:]):
        raise NotConvertibleError(f"{operation.kind} with indices")


def _reduce(kind: str) -> Convert:
    def convert(operation: Operation) -> str:
        axes = operation.graph.integers(operation.value(1))
        return operation.graph.add(kind, [operation.input(0), axes], keepdims=int(operation.attributes["keep_dims"]))

    return convert


def _top_k(operation: Operation) -> str:
    _refuse_further_outputs(operation)
    operation.refuse_unless(sort="value")
    attributes = {"axis": operation.attributes["axis"], "largest": int(operation.attributes["mode"] == "max")}
    return operation.graph.add("TopK", [operation.input(0), operation.shape(1)], outputs=2, **attributes)


def _pad(operation: Operation) -> str:
    operation.refuse_unless(pad_mode="constant")
    widths = operation.graph.integers([*operation.value(1), *operation.value(2)])
    fill = [operation.input(3)] if operation.node.get_input_size() > 3 else []
    return operation.graph.add("Pad", [operation.input(0), widths, *fill])


def _transpose(operation: Operation) -> str:
    return operation.graph.add("Transpose", [operation.input(0)], perm=operation.value(1).tolist())


def _reshape(operation: Operation) -> str:
    attributes = {"allowzero": int(not operation.attributes["special_zero"])}
    return operation.graph.add("Reshape", [operation.input(0), operation.shape(1)], **attributes)


def _to_shape(kind: str) -> Convert:
    """Convert an operation whose second input is a shape, or a list of axes."""

    def convert(operation: Operation) -> str:
        operation.refuse_unless(mode="numpy")
        return operation.graph.add(kind, [operation.input(0), operation.shape(1)])

    return convert


def _shape_of(operation: Operation) -> str:
    shape = operation.graph.add("Shape", operation.inputs)
    kind = TensorProto.INT32 if operation.attributes["output_type"] == "i32" else TensorProto.INT64
    return operation.graph.add("Cast", [shape], to=kind)


def _concat(operation: Operation) -> str:
    return operation.graph.add("Concat", operation.inputs, axis=operation.attributes["axis"])


def _gather(operation: Operation) -> str:
    operation.refuse_unless(batch_dims=0)
    return operation.graph.add("Gather", [operation.input(0), operation.input(1)], axis=operation.value(2).item())


def _split(operation: Operation) -> str:
    inputs = [operation.input(0)]
    count = len(operation.node.outputs())
    attributes = {} if operation.kind == "VariadicSplit" else {"num_outputs": count}
    if operation.kind == "VariadicSplit":
        inputs.append(operation.graph.integers(operation.value(2)))
    return operation.graph.add("Split", inputs, outputs=count, axis=operation.value(1).item(), **attributes)


def _slice(operation: Operation) -> str:
    graph, steps = operation.graph, operation.value(3)
    axes = operation.value(4) if operation.node.get_input_size() > 4 else np.arange(len(steps))
    ends = [operation.shape(1), operation.shape(2)]
    return graph.add("Slice", [operation.input(0), *ends, graph.integers(axes), graph.integers(steps)])


def _strided_slice(operation: Operation) -> str:
    graph = operation.graph
    starts, stops, steps = (operation.value(port).astype(np.int64) for port in (1, 2, 3))
    no_start, no_stop, single, new, ellipsis = (
        np.array([*operation.attributes[f"{name}_mask"], *[0] * len(starts)][: len(starts)], np.bool_)
        for name in ("begin", "end", "shrink_axis", "new_axis", "ellipsis")
    )
    if new.any() or ellipsis.any():
        raise NotConvertibleError("StridedSlice with new axes or an ellipsis")
    stops = np.where(no_stop, np.where(steps > 0, LAST, FIRST), stops)
    stops = np.where(single, np.where(starts == -1, LAST, starts + 1), stops)
    starts = np.where(no_start & ~single, np.where(steps > 0, 0, LAST), starts)
    ends = [graph.integers(part) for part in (starts, stops, np.arange(len(starts)), np.where(single, 1, steps))]
    part = graph.add("Slice", [operation.input(0), *ends])
    return graph.add("Squeeze", [part, graph.integers(np.flatnonzero(single))]) if single.any() else part


OPERATIONS: dict[str, Convert] = {
    "Add": _same("Add"),
    "AvgPool": _pool("AveragePool"),
    "Broadcast": _to_shape("Expand"),
    "Clamp": _clamp,
    "Concat": _concat,
    "Convert": _cast,
    "Convolution": _convolution,
    "Divide": _divide,
    "Erf": _same("Erf"),
    "Exp": _same("Exp"),
    "Gather": _gather,
    "Gelu": _gelu,
    "GreaterEqual": _same("GreaterOrEqual"),
    "GroupConvolution": _group_convolution,
    "HSigmoid": _hard_sigmoid,
    "HSwish": _same("HardSwish"),
    "Log": _same("Log"),
    "MatMul": _matmul,
    "MaxPool": _pool("MaxPool"),
    "Maximum": _same("Max"),
    "Minimum": _same("Min"),
    "Multiply": _same("Mul"),
    "Pad": _pad,
    "Power": _same("Pow"),
    "ReduceMax": _reduce("ReduceMax"),
    "ReduceMean": _reduce("ReduceMean"),
    "ReduceMin": _reduce("ReduceMin"),
    "ReduceSum": _reduce("ReduceSum"),
    "Relu": _same("Relu"),
    "Reshape": _reshape,
    "Select": _same("Where"),
    "ShapeOf": _shape_of,
    "Sigmoid": _same("Sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _same("Sqrt"),
    "SquaredDifference": _squared_difference,
    "Squeeze": _to_shape("Squeeze"),
    "StridedSlice": _strided_slice,
    "Subtract": _same("Sub"),
    "Swish": _swish,
    "Tanh": _same("Tanh"),
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _to_shape("Unsqueeze"),
    "VariadicSplit": _split,
}

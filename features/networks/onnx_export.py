"""Write networks as one ONNX graph: integer chips in, the weighted mean of the networks' scores out.

The graph is made from the OpenVINO files that predict on a CPU, by the table in `onnx_operations`. Keras' own export is
not used: it needs TensorFlow and tf2onnx, or torch, and has no path for a network whose head was fitted afterwards.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.arrays import ChipBatch, Floats, NetworkOutput
from features.networks import openvino_runtime
from features.networks.onnx_operations import OPERATIONS, OPSET, NotConvertibleError, OnnxGraph, Operation
from features.networks.openvino_runtime import OutputLayer

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # since 1.29 onnxruntime sends events about each model otherwise

import onnx  # isort: skip
import onnxruntime  # isort: skip
import openvino  # isort: skip  after openvino_runtime, which disables openvino's telemetry

INPUT, OUTPUT = "chips", "scores"
IR_VERSION = 9  # of the ONNX file format: the one that came with opset 20
MAX_BYTES = 1 << 31  # of an ONNX file that holds its numbers: protobuf's limit


@dataclass(frozen=True)
class NetworkFile:
    """A network's OpenVINO files, and the layer to append, if it ends with vectors."""

    xml: bytes
    weights: bytes
    last: OutputLayer | None = None


def build(networks: Sequence[NetworkFile], shares: Floats, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of an ONNX file that maps chips (N, side, side, bands) to scores (N, labels).

    Args:
        networks: They take the same chips and, with the layers to append, return scores (chips, labels).
        shares: (networks, labels) the weight of each network, whose sum is 1 for each label.
        metadata: Stored in the file, by key.

    Raises:
        NotConvertibleError: A network has an operation without a conversion.
    """
    graph, parts = OnnxGraph(), []
    for network, share in zip(networks, shares, strict=True):
        model = openvino.Core().read_model(network.xml, network.weights)
        if network.last is not None:
            model = openvino_runtime.append_layer(model, network.last)
        parts.append(graph.add("Mul", [_convert(model, graph), graph.constant(share.astype(np.float32))]))
    ends = [graph.constant(np.array(end, np.float32)) for end in (0, 1)]  # beyond which rounding may lead
    graph.nodes.append(onnx.helper.make_node("Clip", [graph.add("Sum", parts), *ends], [OUTPUT]))

    pixels = model.input(0)
    side, _, bands = (dimension.get_length() for dimension in list(pixels.partial_shape)[1:])
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(pixels.element_type.to_dtype()))
    chips = onnx.helper.make_tensor_value_info(INPUT, kind, ["N", side, side, bands])
    scores = onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["N", len(shares[0])])
    file = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "amazon_tags", [chips], [scores], graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="amazon_tags",
    )
    onnx.helper.set_model_props(file, dict(metadata))
    return bytes(file.SerializeToString(deterministic=True))


def run(content: bytes, chips: ChipBatch) -> NetworkOutput:
    """Return the scores (chips, labels) that ONNX Runtime computes by a file's bytes."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    scores: NetworkOutput = session.run([OUTPUT], {INPUT: chips})[0]
    return scores


def _convert(model: Any, graph: OnnxGraph) -> str:
    """Append the nodes of a network's first output, and return its ONNX name."""
    graph.names.clear()
    last = model.output(0).get_node().input_value(0)
    needed = _ancestors(last.get_node())
    for node in model.get_ordered_ops():
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name not in needed or kind == "Constant":
            continue
        if kind == "Parameter":
            graph.names[name, 0] = INPUT
            continue
        if kind not in OPERATIONS:
            raise NotConvertibleError(kind)
        first = OPERATIONS[kind](Operation(node, graph))
        for port in range(len(node.outputs())):
            graph.names[name, port] = f"{first}_{port}" if port else first
    return graph.names[last.get_node().get_friendly_name(), last.get_index()]


def _ancestors(node: Any) -> set[str]:
    """Return the names of an operation and of all that it depends on; Keras also writes outputs that nothing reads."""
    found, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in found:
            found.add(node.get_friendly_name())
            waiting += [port.get_node() for port in node.input_values()]
    return found

"""What an exported network costs: its multiply-adds, and the parts of it that end earlier. It needs no Keras."""

import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from features.networks import openvino_runtime  # before openvino, because it disables openvino's telemetry
from features.networks.openvino_runtime import OutputLayer

import openvino  # isort: skip

NetworkFiles = tuple[bytes, bytes]  # the XML and the weights


def multiply_adds(files: NetworkFiles, *, of_zeros: bool = True) -> int:
    """Return the multiply-adds of convolutions and matrix products for one chip, attention included.

    Sums, activations, norms that are not folded, pooling and scaling are not counted, as in published figures.

    Args:
        files: The network.
        of_zeros: Count those with weights of 0, which dense kernels compute as well. Without them the figure is in
            theory the least, that of kernels which skip every zero.
    """
    model = openvino.Core().read_model(*files)
    model.reshape([1, *list(model.input(0).partial_shape)[1:]])
    nodes = model.get_ordered_ops()
    return sum(_multiply_adds(node) if of_zeros else round(_multiply_adds(node) * _density(node)) for node in nodes)


def parameters(files: NetworkFiles) -> int:
    """Return how many numbers of a network in floats are not 0: weights, biases, and what scales the pixels."""
    constants = [node for node in openvino.Core().read_model(*files).get_ops() if node.get_type_name() == "Constant"]
    return sum(int(np.count_nonzero(node.data)) for node in constants if node.get_element_type().is_real())


def with_last_layer(files: NetworkFiles, last: OutputLayer) -> NetworkFiles:
    """Return a network of vectors with a layer at its end, which makes scores of them."""
    model = openvino_runtime.append_layer(openvino.Core().read_model(*files), last)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.xml")
        openvino_runtime.save(model, path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _density(node: Any) -> float:
    """Return the share of the weights of an operation that are not 0; each is used equally often."""
    constants = [value.get_node() for value in node.input_values() if value.get_node().get_type_name() == "Constant"]
    weights = [constant.data for constant in constants if constant.data.ndim > 1]
    return float(np.count_nonzero(weights[0]) / weights[0].size) if weights else 1.0


def _multiply_adds(node: Any) -> int:
    kind = node.get_type_name()
    if kind == "MatMul":
        shape = node.input_value(0).shape
        return int(prod(node.output(0).shape) * shape[-2 if node.get_attributes()["transpose_a"] else -1])
    if kind == "ScaledDotProductAttention":  # queries (batch, heads, tokens, dim) with keys, and the result with values
        keys, values = (node.input_value(place).shape for place in (1, 2))
        return int(prod(node.input_value(0).shape[:-1]) * keys[-2] * (keys[-1] + values[-1]))
    # A kernel is (outputs, inputs, height, width), or (groups, outputs, inputs, height, width).
    leading = {"Convolution": 1, "GroupConvolution": 2}.get(kind)
    return 0 if leading is None else prod(node.output(0).shape) * prod(list(node.input_value(1).shape)[leading:])


def split_ends(files: NetworkFiles, widths: Sequence[int]) -> list[NetworkFiles]:
    """Return one network for each end of a network whose output is the concatenated vectors of several ends.

    Args:
        files: The network, from a model of `backbones.build` with several layers.
        widths: The columns of each end's vectors, in order; an end may have several parts, such as a class token.

    Raises:
        ValueError: The network's output is not such a concatenation.
    """
    model = openvino.Core().read_model(*files)
    model.reshape([1, *list(model.input(0).partial_shape)[1:]])
    join = model.output(0).get_node().input_value(0).get_node()
    parts = list(join.input_values()) if join.get_type_name() == "Concat" else [join.output(0)]

    ends: list[list[Any]] = []
    for width in widths:
        end: list[Any] = []
        while parts and sum(part.shape[1] for part in end) < width:
            end.append(parts.pop(0))
        if sum(part.shape[1] for part in end) != width:
            raise ValueError(
                f"the network's output does not consist of vectors of {', '.join(map(str, widths))} columns."
            )
        ends.append(end)
    model.reshape([-1, *list(model.input(0).partial_shape)[1:]])
    return [_write(end, model.get_parameters()) for end in ends]


def _write(parts: Sequence[Any], parameters: Any) -> NetworkFiles:
    operations = openvino.opset13
    vectors = parts[0] if len(parts) == 1 else operations.concat(list(parts), 1).output(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.xml")
        openvino_runtime.save(openvino.Model([operations.result(vectors)], parameters), path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()

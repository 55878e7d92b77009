"""Read a network's last feature map where its head is linear on the map's mean: what each place adds to each logit.

Such a head gives the logits mean(map) @ weights + bias. So the class activation maps (Zhou et al. 2016), map @ weights
at each place, are exact: their means plus the bias are the logits. Other networks have no such maps.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from features.arrays import ChipBatch, Floats, LayerWeights, NetworkOutput
from features.networks import openvino_runtime
from features.networks.openvino_runtime import OpenvinoNetwork, OutputLayer

import openvino  # isort: skip
import openvino.opset13  # isort: skip

FeatureMaps = NDArray[np.float32]  # (chips, dim, height, width)

CHANNEL_AXES = {(2, 3): 1, (1, 2): 3}  # of a map, by the axes that its mean is taken over
# What may stand between logits and scores: activations, and the order and scaling of labels.
SCORE_OPERATIONS = ("Concat", "Convert", "Gather", "Minimum", "Multiply", "Sigmoid", "Softmax")


class NoFeatureMapError(ValueError):
    """A network's scores are not a linear function of a feature map's mean; the message is the reason, in words."""


@dataclass(frozen=True)
class MapNetwork:
    """A network up to its last feature map, and the head on the map's mean.

    Attributes:
        network: from chips to their maps, as rows of dim * height * width; for `extract.stream_outputs`.
        shape: (dim, height, width) of a chip's map.
        weights: (dim, labels).
        bias: (labels,).
    """

    network: OpenvinoNetwork
    shape: tuple[int, int, int]
    weights: LayerWeights
    bias: LayerWeights

    def maps(self, chips: ChipBatch) -> FeatureMaps:
        """Return the feature maps of chips."""
        return self.network(chips).reshape(-1, *self.shape)

    def class_maps(self, maps: FeatureMaps) -> Floats:
        """Return what each place adds to each logit, (chips, labels, height, width)."""
        class_maps: Floats = np.einsum("cdhw,dl->clhw", maps.astype(np.float64), self.weights.astype(np.float64))
        return class_maps

    def vectors(self, rows: NetworkOutput) -> NetworkOutput:
        """Return the maps' means (chips, dim) of the network's output."""
        means: NetworkOutput = rows.reshape(len(rows), self.shape[0], -1).mean(axis=2)
        return means


def load_maps(xml: bytes, weights: bytes, *, last: OutputLayer | None = None, jobs: int = 1) -> MapNetwork:
    """Compile a network, up to its last feature map, from the bytes of its OpenVINO files.

    Args:
        xml: The graph, `network.xml`.
        weights: Its numbers, `network.bin`.
        last: The linear head of a network that gives vectors; None for a network that gives scores.
        jobs: The number of threads.

    Raises:
        NoFeatureMapError: The head is not linear on the mean of a feature map.
    """
    graph = openvino_runtime.read_graph(xml, weights)
    end = graph.output(0).get_node().input_value(0).get_node()
    if last is None:
        vectors, kernel, bias = _linear_layer(end)
    else:  # ((vectors - mean) / spread) @ weights + bias
        kernel = last.weights / last.spread[:, np.newaxis]
        vectors, bias = end, last.bias - last.mean @ kernel
    maps = _pooled_map(vectors)
    shape = tuple(maps.get_node().output(maps.get_index()).shape[1:])
    flat = openvino.opset13.reshape(maps, np.array([0, -1]), special_zero=True)
    part = openvino.Model([openvino.opset13.result(flat)], graph.get_parameters())
    return MapNetwork(openvino_runtime.compile_graph(part, jobs=jobs), (shape[0], shape[1], shape[2]), kernel, bias)


def _linear_layer(end: Any) -> tuple[Any, LayerWeights, LayerWeights]:
    """Return the vectors' node, weights (dim, labels) and bias of the one linear layer that scores are made of."""
    layers: dict[str, Any] = {}
    nodes = [end]
    while nodes:
        node = nodes.pop()
        kind = node.get_type_name()
        if kind == "Add":
            layers[node.get_name()] = node
        elif kind in SCORE_OPERATIONS:
            nodes += [port.get_node() for port in node.input_values()]
        elif kind != "Constant":
            raise NoFeatureMapError(f"its scores come from {kind}, not from a linear layer")
    if len(layers) != 1:
        raise NoFeatureMapError(f"its scores come from {len(layers)} linear layers, not from one")

    product, bias = _constant_input(*layers.values())
    if product.get_type_name() != "MatMul":
        raise NoFeatureMapError(f"its logits come from {product.get_type_name()}, not from a linear layer")
    vectors, weights = _constant_input(product)
    turned = product.get_attributes()["transpose_b"]
    return vectors, weights.T.copy() if turned else weights.copy(), bias.reshape(-1).copy()


def _constant_input(node: Any) -> tuple[Any, LayerWeights]:
    """Return the other input of an operation with a constant, and the constant's numbers."""
    inputs = [port.get_node() for port in node.input_values()]
    constants = [part for part in inputs if part.get_type_name() == "Constant"]
    others = [part for part in inputs if part.get_type_name() != "Constant"]
    if len(constants) != 1 or len(others) != 1:
        raise NoFeatureMapError("its last layer has no fixed weights")
    return others[0], constants[0].data


def _pooled_map(vectors: Any) -> Any:
    """Return the output (chips, dim, height, width) whose mean over height and width the vectors are."""
    if vectors.get_type_name() != "ReduceMean":
        raise NoFeatureMapError(f"its vectors come from {vectors.get_type_name()}, not from global average pooling")
    maps, axes = vectors.input_value(0), vectors.input_value(1).get_node()
    place = tuple(sorted(axes.data.reshape(-1).tolist())) if axes.get_type_name() == "Constant" else ()
    if len(maps.partial_shape) != 4 or place not in CHANNEL_AXES:
        raise NoFeatureMapError("its vectors are a mean of something else than the places of a feature map")
    if CHANNEL_AXES[place] == 1:
        return maps
    return openvino.opset13.transpose(maps, np.array([0, 3, 1, 2])).output(0)


def enlarge(maps: Floats, side: int) -> Floats:
    """Return maps (maps, height, width) at (maps, side, side), by bilinear interpolation."""
    pictures = [Image.fromarray(values.astype(np.float32)) for values in maps]
    resized = [np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)) for picture in pictures]
    return np.stack(resized).astype(np.float64)

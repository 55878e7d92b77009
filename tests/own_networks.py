"""A tiny network of the user's own, as an ONNX file: one convolution of patches, ReLU, and the mean of its map."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, PATCH, WIDTH = 32, 4, 6
KERNEL = np.random.default_rng(1).normal(size=(WIDTH, 3, PATCH, PATCH)).astype(np.float32)
MEAN, STD = (0.4, 0.5, 0.3), (0.2, 0.25, 0.5)
TOML = f"""side = {SIDE}
bands = ["red", "green", "blue"]
layout = "nchw"
width = {WIDTH}
scale = {1 / 255}
mean = {list(MEAN)}
std = {list(STD)}
"""
CHIPS = np.random.default_rng(2).integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)


def write(
    path: Path, *, toml: str | None = TOML, shape: tuple[object, ...] = ("n", 3, SIDE, SIDE), outputs: str = "vectors"
) -> Path:
    """Write the network, with the named outputs `vectors`, `map`, `tokens`, and its TOML file."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["patches"], strides=[PATCH, PATCH]),
        helper.make_node("Relu", ["patches"], ["map"]),
        helper.make_node("ReduceMean", ["map"], ["vectors"], axes=[2, 3], keepdims=0),
        helper.make_node("Reshape", ["map", "flat"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["tokens"], perm=[0, 2, 1]),
    ]
    ranks = {"vectors": 2, "map": 4, "tokens": 3}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * ranks[name]) for name in outputs.split(",")]
    constants = [
        numpy_helper.from_array(KERNEL, "kernel"),
        numpy_helper.from_array(np.array([0, WIDTH, -1], np.int64), "flat"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "own", [image], ends, constants)
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(file.SerializeToString())
    if toml is not None:
        path.with_suffix(".toml").write_text(toml)
    return path


def maps(pixels: np.ndarray) -> np.ndarray:
    """What the network's map is (chips, width, 8, 8) for pixels 0..255 (chips, 32, 32, 3), by NumPy."""
    scaled = (pixels / 255 - np.array(MEAN)) / np.array(STD)
    count, places = len(pixels), SIDE // PATCH
    patches = scaled.reshape(count, places, PATCH, places, PATCH, 3)
    return np.maximum(np.einsum("nyixjc,dcij->ndyx", patches, KERNEL), 0)


def vectors(pixels: np.ndarray) -> np.ndarray:
    """The vectors of the network, by NumPy."""
    return maps(pixels).mean(axis=(2, 3))


def save_with_external_weights(path: Path, weights: str) -> None:
    """Move the weights of an ONNX file into a file of their own, as exports of PyTorch do."""
    file = onnx.load(path)
    onnx.save(file, path, save_as_external_data=True, location=weights, size_threshold=0)

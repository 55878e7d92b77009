"""A network with a known kernel: it looks for red squares, and nothing else, in chips of 64 x 64 pixels."""

from pathlib import Path

import numpy as np
import openvino
import openvino.opset13 as operations

from features.networks import openvino_runtime

SIDE = 64
RED, GREY = (200, 40, 40), (40, 40, 40)
WEIGHTS = np.float32([[0.5, -0.5]])  # of two tags: red speaks for the first and against the second
BIAS = np.float32([[-1.0, 0.25]])


def chip() -> np.ndarray:
    """A grey chip with a red square in its upper right quarter."""
    pixels = np.full((SIDE, SIDE, 3), GREY, np.uint8)
    pixels[8:24, 40:56] = RED
    return pixels


def network(folder: Path, end: str = "scores") -> tuple[bytes, bytes]:
    """Return the files of the network up to its `scores`, `vectors`, a `bounded` head or vectors by `max`."""
    pixels = operations.parameter([-1, SIDE, SIDE, 3], np.uint8, name="chips")
    image = operations.transpose(operations.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    kernel = np.zeros((1, 3, 4, 4), np.float32)
    kernel[0, 0], kernel[0, 1] = 1 / 16, -1 / 16  # red less green, in patches of 4 x 4
    red = operations.relu(operations.convolution(image, kernel, [4, 4], [0, 0], [0, 0], [1, 1]))
    pool = operations.reduce_max if end == "max" else operations.reduce_mean
    vectors = pool(red, np.array([2, 3]), False)
    products = operations.matmul(vectors, operations.constant(WEIGHTS.T), False, True)
    if end == "bounded":
        products = operations.multiply(products, operations.relu(products))
    scores = operations.sigmoid(operations.add(products, operations.constant(BIAS)))
    result = vectors if end in ("vectors", "max") else scores
    path = folder / f"{end}.xml"
    openvino_runtime.save(openvino.Model([operations.result(result)], [pixels]), path)
    return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def share_in_its_quarter(heat: np.ndarray) -> float:
    """The share of a map's positive mass in the upper right quarter."""
    positive, half = np.maximum(heat, 0), len(heat) // 2
    return float(positive[:half, half:].sum() / positive.sum())

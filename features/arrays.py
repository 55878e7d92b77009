"""Declare the types of the arrays that the functions of `features` exchange: shape, order and range of each."""

import numpy as np
from numpy.typing import NDArray

Chip = NDArray[np.uint8] | NDArray[np.uint16]  # (H, W, bands), bands in a stated order
ChipBatch = NDArray[np.uint8] | NDArray[np.uint16]  # (chips, side, side, bands)
Pixels = NDArray[np.uint8] | NDArray[np.uint16]  # (..., side, side, bands): one chip or a batch of them
Rgb = NDArray[np.uint8]  # (H, W, 3): red, green, blue

NetworkOutput = NDArray[np.float32]  # (chips, dim): the vectors of a backbone, or the scores of a whole network
LayerWeights = NDArray[np.float32]  # any shape: numbers of one layer
Floats = NDArray[np.float64]  # any shape: what pictures are compared in and curves are computed in

Thumbnail = NDArray[np.float32]  # (32, 32), grey levels
Thumbnails = NDArray[np.float32]  # (chips, 32, 32), grey levels
EdgeLines = NDArray[np.float16]  # (chips, values): grey levels minus 128, along one edge of each chip
Distances = NDArray[np.float32]  # any shape: squared grey levels, or a ratio of them
Positions = NDArray[np.int64]  # positions in a list of chips, or rows and columns of a mosaic

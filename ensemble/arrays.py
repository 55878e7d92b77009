"""The arrays that travel between functions: one alias for each, with its shape, order and range."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # (chips, dim): what a backbone makes of each chip
Scores = NDArray[np.float32]  # (chips, labels) in [0, 1], columns in the label space's order
Tags = NDArray[np.bool_]  # (chips, labels): which tags hold, by a model or by people
Fold = NDArray[np.int64]  # (chips,): the number of the fold that holds each chip out
Floats = NDArray[np.float64]  # any shape; what sums and statistics are computed in
Groups = Sequence[Sequence[int]]  # columns of labels of which exactly one holds on every chip

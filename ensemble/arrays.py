"""Aliases of the arrays that functions exchange: shape, order and range of each, written once."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # (chips, dim): a backbone's embedding of each chip
Scores = NDArray[np.float32]  # (chips, labels) in [0, 1], columns in the label space's order
Tags = NDArray[np.bool_]  # (chips, labels): which tags a chip carries, predicted or true
Targets = NDArray[np.float32]  # (chips, labels) in [0, 1] to train networks on; NaN where the truth is unknown
Fold = NDArray[np.int64]  # (chips,): the number of the fold that holds each chip out
Rows = NDArray[np.intp]  # (rows,): indices of chips, ascending
Counts = NDArray[np.int64]  # whole numbers of chips, of any shape
Floats = NDArray[np.float64]  # of any shape; sums and statistics are computed in float64
Thresholds = NDArray[np.float32]  # (labels,): the least score of each label that becomes a tag
Groups = tuple[tuple[int, ...], ...]  # columns of labels; exactly one label of each group holds on every chip

"""Group rows that pairs connect, directly or through others."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def leaders(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of `count` rows the first one that it is connected to by pairs (pairs, 2)."""
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    _, first = np.unique(part, return_index=True)
    found: NDArray[np.int64] = first[part]
    return found

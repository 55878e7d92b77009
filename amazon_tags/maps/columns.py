"""The columns of a map's table, which are the same in every format."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.maps.cells import MapCells
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace

SCORE = "score_"  # before a label's name, since a label may be called like another column


def columns(cells: MapCells, space: LabelSpace) -> dict[str, NDArray[Any]]:
    """Return each column (cells,) by its name: window, tags (names, separated by blanks), expected_f, valid, scores."""
    tags = [" ".join(labels.decode(space, row)) for row in cells.tags]
    scores = {SCORE + name: cells.scores[:, label].copy() for label, name in enumerate(space.names)}
    return {
        "window": np.array(cells.names, object),
        "tags": np.array(tags, object),
        "expected_f": cells.expected_f.astype(np.float32),
        "valid": cells.valid.astype(np.float32),
        **scores,
    }

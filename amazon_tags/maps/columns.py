"""The columns of the table of a map, or of a change, which are the same in every format."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.changed_cells import ChangedCells, is_alert
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace

Columns = dict[str, NDArray[Any]]  # (cells,) each, by its name

SCORE = "score_"  # before a label's name, since a label may be called like another column
APPEARED, VANISHED = "appeared", "vanished"
NAME_LISTS = ("tags", APPEARED, VANISHED)  # columns of names that are separated by blanks


def columns(cells: MapCells, space: LabelSpace) -> Columns:
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


def change_columns(cells: ChangedCells, space: LabelSpace, min_probability: float) -> Columns:
    """Return the columns of a change: the tags of its alerts, each label's probabilities, data and clouds."""
    values: Columns = {"window": np.array(cells.before.names, object)}
    matrices = {APPEARED: cells.changes.appeared, VANISHED: cells.changes.vanished}
    for what, matrix in matrices.items():
        rows = is_alert(matrix, space, min_probability)
        values[what] = np.array([" ".join(labels.decode(space, row)) for row in rows], object)
    for what, matrix in matrices.items():
        for label, name in enumerate(space.names):
            values[f"{what}_{name}"] = matrix[:, label].astype(np.float32)
    values["valid"] = cells.before.valid.astype(np.float32)  # the same at both dates
    for date, clouds in zip(("before", "after"), cells.clouds.T, strict=True):
        values[f"cloud_{date}"] = clouds.astype(np.float32)
    return values

"""Tag a scene: score its windows like chips, and decide the tags of the cells that they cover."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.maps.cells import MapCells, make_cells
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.prediction.submission import error_entries
from ensemble.arrays import Floats
from features.images.chips import ChipError
from features.scenes.scene import Scene
from features.scenes.windows import Windows

Predict = Callable[[Windows], Iterable[TaggedChips]]  # such as `predict_chips`, with its other arguments set


@dataclass(frozen=True)
class TaggedScene:
    """The cells of a scene, and the windows that could not be used: `file` and `error` of each."""

    cells: MapCells
    errors: list[dict[str, str]]


def tag_scene(scene: Scene, windows: Windows, valid: Floats, model: Bundle, predict: Predict) -> TaggedScene:
    """Score windows, and return the cells that they cover with their tags; reports remarks on the windows.

    Args:
        scene: The scene that the windows are parts of.
        windows: As `plan.plan_windows` returns them.
        valid: (windows,) as it returns them, too.
        model: An open bundle.
        predict: Scores the windows.

    Raises:
        ChipError: A window cannot be used, and `predict` does not tolerate it; or none can be used.
    """
    scores, usable, errors, remarks = [], [], [], RemarkCounts("windows")
    with progress.bar("tagging", len(windows)) as advance:
        for part in predict(windows):
            scores.append(part.scores)
            usable.append(part.usable)
            errors += error_entries(part)
            remarks.add(part.ids, part.remarks)
            advance(len(part.ids))
    remarks.say()

    rows = np.flatnonzero(np.concatenate(usable))
    if not len(rows):
        raise ChipError(f"none of {len(windows):,} windows could be used (first: {errors[0]['error']})")
    cells = make_cells(scene, windows.take(rows.tolist()), np.concatenate(scores)[rows], valid[rows], model)
    return TaggedScene(cells, errors)

"""Cells of the same ground at two dates: what changed in each, and which of them clouds hide."""

from dataclasses import dataclass

import numpy as np

from amazon_tags import progress
from amazon_tags.maps.cells import MapCells
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats, Scores, Tags
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.change import Changes, change_probabilities

CLOUDS = ("cloudy", "partly_cloudy", "haze")  # labels of pictures of which clouds hide a part, or all


@dataclass(frozen=True)
class ChangedCells:
    """The cells that both dates show, in order, with the probabilities of change.

    Attributes:
        before: The cells at the first date, in its scene.
        after: The same cells at the second date.
        changes: (cells, labels) the probabilities that each label appeared, and that it vanished.
        clouds: (cells, 2) the probability of clouds at each date.
    """

    before: MapCells
    after: MapCells
    changes: Changes
    clouds: Floats


def compare_cells(
    before: MapCells, after: MapCells, space: LabelSpace, *, calibration: Calibration, max_cloud: float
) -> ChangedCells:
    """Return the changes of the cells that both dates have and that are clear enough at both; reports the others.

    Args:
        before: Cells of the first date.
        after: Cells of the second date, on the same pixels.
        space: The labels of their scores.
        calibration: Makes probabilities of scores.
        max_cloud: The largest probability of clouds, from 0 to 1, of a cell that is compared.

    Raises:
        ValueError: The dates have no cell in common, or none is clear enough at both.
    """
    places = {box: row for row, box in enumerate(after.boxes)}
    rows = np.array([row for row, box in enumerate(before.boxes) if box in places], np.intp)
    if not len(rows):
        raise ValueError(
            f"no window could be used at both dates: {len(before.boxes):,} could in {before.scene}, and "
            f"{len(after.boxes):,} others in {after.scene}; amazon_tags map --on-error skip lists the reasons for each."
        )
    before = before.take(rows)
    after = after.take(np.array([places[box] for box in before.boxes], np.intp))

    first, second = (calibrate.apply(calibration, cells.scores) for cells in (before, after))
    clouds = np.stack([cloud_probability(scores, space) for scores in (first, second)], axis=1)
    is_clear = clouds <= max_cloud
    kept = np.flatnonzero(is_clear.all(axis=1))
    if not len(kept):
        hidden = (~is_clear).sum(axis=0)
        raise ValueError(
            f"none of {len(rows):,} windows is clear at both dates: clouds are more probable than {max_cloud:.0%} in "
            f"{hidden[0]:,} of {before.scene} and in {hidden[1]:,} of {after.scene}; raise --max-cloud, or pass "
            "clearer scenes."
        )
    if len(kept) < len(rows):
        progress.say(
            f"{len(rows) - len(kept):,} of {len(rows):,} windows are not compared, because clouds are more probable "
            f"than {max_cloud:.0%} at one date or both"
        )
    changes = change_probabilities(first[kept], second[kept])
    return ChangedCells(before.take(kept), after.take(kept), changes, clouds[kept])


def cloud_probability(probabilities: Scores, space: LabelSpace) -> Floats:
    """Return the probability (cells,) that one of `CLOUDS` holds: their sum, since they exclude each other."""
    columns = [space.names.index(name) for name in CLOUDS if name in space.names]
    total: Floats = probabilities[:, columns].sum(axis=1, dtype=np.float64).clip(0, 1)
    return total


def is_alert(probabilities: Floats, space: LabelSpace, min_probability: float) -> Tags:
    """Return which probabilities of change (cells, labels) are alerts; those of the weather never are."""
    groups = [group for group in space.groups if set(group) & set(CLOUDS)]
    weather = {*CLOUDS, *(name for group in groups for name in group)}
    of_ground = np.array([name not in weather for name in space.names])
    alerts: Tags = (probabilities >= min_probability) & of_ground
    return alerts

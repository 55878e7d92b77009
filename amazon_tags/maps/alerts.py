"""Alerts: the changes of tags that are probable enough to look at, the most probable first."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amazon_tags.maps.changed_cells import ChangedCells, is_alert
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions.change import odds

HEADER = ("window", "tag", "change", "probability", "odds")


@dataclass(frozen=True)
class Alert:
    """A tag that probably appeared in a window, or vanished from it; the odds are p / (1 - p)."""

    window: str
    tag: str
    change: Literal["appeared", "vanished"]
    probability: float
    odds: float


def find_alerts(cells: ChangedCells, space: LabelSpace, min_probability: float) -> list[Alert]:
    """Return the changes of at least this probability, by falling odds; equal ones by the windows' order."""
    alerts = []
    names = cells.before.names
    changes: tuple[Literal["appeared", "vanished"], ...] = ("appeared", "vanished")
    for change in changes:
        matrix = getattr(cells.changes, change)
        ratios = odds(matrix)
        for row, label in np.argwhere(is_alert(matrix, space, min_probability)):
            values = float(matrix[row, label]), float(ratios[row, label])
            alerts.append((-values[0], row, Alert(names[row], space.names[label], change, *values)))
    return [alert for _, _, alert in sorted(alerts, key=lambda entry: entry[:2])]


def alerts_csv(alerts: Sequence[Alert]) -> str:
    """Return alerts as CSV with a header."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(HEADER)
    for alert in alerts:
        rows.writerow((alert.window, alert.tag, alert.change, f"{alert.probability:.4f}", f"{alert.odds:.4g}"))
    return table.getvalue()

"""The file of a decision: `decision.json`, inside a bundle or by itself.

It names its labels, so that the decision can be applied to any score table that has them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags import records
from amazon_tags.files import atomic
from amazon_tags.model.damage import refusing_damage
from amazon_tags.records import Json, json_keys
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.decision import DECODERS, Decision
from ensemble.decisions.expected import Rules

FORMAT = 1
ADVICE = "create one with amazon_tags tune"


class DecisionFileError(ValueError):
    """A file, or values of one, that hold no decision of a known format."""


@dataclass(frozen=True)
class StoredCalibration:
    """A calibration as its file has it: columns by label, `knots` (places, heights) by label or empty."""

    kind: str
    slopes: dict[str, float]
    offsets: dict[str, float]
    knots: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]
    groups: tuple[tuple[str, ...], ...]


@json_keys(space="labels", thresholds="cuts")
@dataclass(frozen=True)
class StoredDecision:
    """A decision as its file has it; labels without a floor are absent from `floors`."""

    format: int
    space: LabelSpace
    beta: float
    decoder: str
    thresholds: dict[str, float]
    floors: dict[str, float]
    calibration: StoredCalibration


def rules(space: LabelSpace) -> Rules:
    """Return the rules of a label space, with columns for names."""
    places = {name: place for place, name in enumerate(space.names)}
    groups = tuple(tuple(places[name] for name in group) for group in space.groups)
    return Rules(groups, tuple(places[name] for name in space.alone))


def to_json(space: LabelSpace, decision: Decision) -> Json:
    """Return plain values that `from_json` reads back, bit for bit."""
    calibration = decision.calibration
    floors = {name: threshold for name, threshold in _named(space, decision.floors).items() if threshold < np.inf}
    knots = zip(space.names, calibration.knots, strict=False)  # none, or one pair a label
    stored = StoredCalibration(
        calibration.kind,
        _named(space, calibration.slopes),
        _named(space, calibration.offsets),
        {name: (tuple(places.tolist()), tuple(heights.tolist())) for name, (places, heights) in knots},
        tuple(tuple(space.names[label] for label in group) for group in calibration.groups),
    )
    thresholds = _named(space, decision.thresholds)
    return records.to_json(StoredDecision(FORMAT, space, decision.beta, decision.decoder, thresholds, floors, stored))


def from_json(value: Any) -> tuple[LabelSpace, Decision]:
    """Return the label space and the decision of JSON values.

    Raises:
        DecisionFileError: the values are not a decision, or one of another format.
    """
    with refusing_damage(DecisionFileError, "these values are not a decision", ADVICE):
        return _parse(value)


def read(path: Path) -> tuple[LabelSpace, Decision]:
    """Read the label space and the decision of a file.

    Raises:
        DecisionFileError: the file is not a decision, or one of another format.
    """
    content = path.read_bytes()
    with refusing_damage(DecisionFileError, f"{path} is not a decision", ADVICE):
        return _parse(json.loads(content))


def write(path: Path, space: LabelSpace, decision: Decision) -> None:
    """Write a decision to its file."""
    atomic.write_json(path, to_json(space, decision))


def _parse(value: Any) -> tuple[LabelSpace, Decision]:
    stored = records.from_json(StoredDecision, value)
    if stored.format != FORMAT:
        raise ValueError(f"its format is {stored.format}, but this version reads {FORMAT}")
    space = stored.space
    floors = {**dict.fromkeys(space.names, np.inf), **stored.floors}
    decision = Decision(
        _calibration(space, stored.calibration),
        _check_name(stored.decoder, DECODERS),
        _column(space, stored.thresholds).astype(np.float32),
        _column(space, floors, finite=False).astype(np.float32),
        rules(space),
        stored.beta,
    )
    if not 0 < decision.beta < np.inf:
        raise ValueError(f"beta is {decision.beta}, but must be positive and finite")
    return space, decision


def _calibration(space: LabelSpace, stored: StoredCalibration) -> Calibration:
    columns = {name: column for column, name in enumerate(space.names)}
    knots = tuple(_curve(name, stored.knots[name]) for name in space.names) if stored.knots else ()
    return Calibration(
        _check_name(stored.kind, calibrate.CALIBRATIONS),
        _column(space, stored.slopes),
        _column(space, stored.offsets),
        knots,
        tuple(tuple(columns[name] for name in group) for group in stored.groups),
    )


def _curve(name: str, value: Any) -> tuple[Floats, Floats]:
    places, heights = (np.array(part, np.float64) for part in value)
    ordered = places.ndim == 1 and places.size > 0 and not (np.diff(places) < 0).any()
    if places.shape != heights.shape or not ordered:
        raise ValueError(f"the knots of {name} are not a curve")
    return places, heights


def _check_name(name: str, table: Mapping[str, Any]) -> str:
    if name not in table:
        raise ValueError(f"{name!r} is not one of {', '.join(table)}")
    return name


def _named(space: LabelSpace, column: NDArray[Any]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(space.names, column, strict=True)}


def _column(space: LabelSpace, value: Mapping[str, Any], *, finite: bool = True) -> Floats:
    column = np.array([float(value[name]) for name in space.names])
    if len(value) != len(space.names) or np.isnan(column).any() or (finite and not np.isfinite(column).all()):
        raise ValueError(f"there are {len(value)} numbers for {len(space.names)} labels, or some are not finite")
    return column

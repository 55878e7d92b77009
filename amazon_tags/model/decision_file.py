"""A decision written down: `decision.json`, of a bundle or by itself.

It names its labels, so it can be applied to any score table that has them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.decision import DECODERS, Decision
from ensemble.decisions.expected import Rules

FORMAT = 1
NONSENSE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)


def rules(space: LabelSpace) -> Rules:
    """The rules of a label space, as columns."""
    places = {name: place for place, name in enumerate(space.names)}
    groups = tuple(tuple(places[name] for name in group) for group in space.groups)
    return Rules(groups, tuple(places[name] for name in space.alone))


def to_json(space: LabelSpace, decision: Decision) -> dict[str, Any]:
    """Plain values that `from_json` reads back, bit for bit."""
    calibration = decision.calibration
    return {
        "format": FORMAT,
        "labels": labels.to_json(space),
        "beta": decision.beta,
        "decoder": decision.decoder,
        "cuts": _named(space, decision.thresholds),
        "floors": {name: threshold for name, threshold in _named(space, decision.floors).items() if threshold < np.inf},
        "calibration": {
            "kind": calibration.kind,
            "slopes": _named(space, calibration.slopes),
            "offsets": _named(space, calibration.offsets),
            "knots": {
                name: [place.tolist() for place in knots]
                for name, knots in zip(space.names, calibration.knots, strict=False)
            },
            "groups": [[space.names[label] for label in group] for group in calibration.groups],
        },
    }


def from_json(value: Any) -> tuple[LabelSpace, Decision]:
    """The label space and the decision.

    Raises:
        ValueError: the values are no decision, or one of another format.
    """
    try:
        if value["format"] != FORMAT:
            raise ValueError(f"its format is {value['format']}, but this version reads {FORMAT}")
        space = labels.from_json(value["labels"])
        decision = Decision(
            _calibration(space, value["calibration"]),
            _chosen(value["decoder"], DECODERS),
            _column(space, value["cuts"]).astype(np.float32),
            _column(space, {**dict.fromkeys(space.names, np.inf), **value["floors"]}, finite=False).astype(np.float32),
            rules(space),
            float(value["beta"]),
        )
    except NONSENSE as error:
        raise ValueError(f"no decision: {error!r}") from error
    if not 0 < decision.beta < np.inf:
        raise ValueError(f"no decision: beta is {decision.beta}")
    return space, decision


def read(path: Path) -> tuple[LabelSpace, Decision]:
    """A decision from its file."""
    try:
        return from_json(json.loads(path.read_bytes()))
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path}: {error}; make one by amazon_tags tune.") from error


def write(path: Path, space: LabelSpace, decision: Decision) -> None:
    """Write a decision to its file."""
    atomic.write_json(path, to_json(space, decision))


def _calibration(space: LabelSpace, value: Mapping[str, Any]) -> Calibration:
    places = {name: place for place, name in enumerate(space.names)}
    knots = []
    for name in space.names if value["knots"] else ():
        places_of, curve = (np.array(part, np.float64) for part in value["knots"][name])
        if (
            places_of.shape != curve.shape
            or places_of.ndim != 1
            or not places_of.size
            or (np.diff(places_of) < 0).any()
        ):
            raise ValueError(f"the knots of {name} are no curve")
        knots.append((places_of, curve))
    return Calibration(
        _chosen(value["kind"], calibrate.CALIBRATIONS),
        _column(space, value["slopes"]),
        _column(space, value["offsets"]),
        tuple(knots),
        tuple(tuple(places[name] for name in group) for group in value["groups"]),
    )


def _chosen(name: str, table: Mapping[str, Any]) -> str:
    if name not in table:
        raise ValueError(f"{name!r} is none of {', '.join(table)}")
    return name


def _named(space: LabelSpace, column: NDArray[Any]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(space.names, column, strict=True)}


def _column(space: LabelSpace, value: Mapping[str, Any], *, finite: bool = True) -> NDArray[np.float64]:
    column = np.array([float(value[name]) for name in space.names])
    if len(value) != len(space.names) or np.isnan(column).any() or (finite and not np.isfinite(column).all()):
        raise ValueError(f"{len(value)} numbers came for {len(space.names)} labels, or some are none")
    return column

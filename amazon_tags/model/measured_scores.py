"""What was measured of a model out of fold, as typed records of its manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Interval = tuple[float, float]  # the ends of a 95 % bootstrap interval over chips


@dataclass(frozen=True)
class LabelReport:
    """How well one label was tagged; `support` is the number of chips that carry it."""

    precision: float
    recall: float
    f2: float
    interval: Interval  # of F2
    support: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LabelReport":
        """Return the report of its JSON value."""
        return cls(value["precision"], value["recall"], value["f2"], interval(value["interval"]), value["support"])

    def to_json(self) -> dict[str, Any]:
        """Return the values as JSON has them."""
        return {**asdict(self), "interval": list(self.interval)}


@dataclass(frozen=True)
class F2Interval:
    """An F2, or a difference of two, with its interval."""

    f2: float
    interval: Interval

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "F2Interval":
        """Return the F2 of its JSON value."""
        return cls(value["f2"], interval(value["interval"]))


@dataclass(frozen=True)
class MeasuredScores:
    """The out-of-fold measurements of a bundle.

    Attributes:
        f2: by the bundle's own decision, with its interval.
        chips: how many chips were measured.
        micro_f1: as in scikit-learn.
        macro_f1: as in scikit-learn.
        labels: each label's report, by name.
        decisions: the F2 of several ways from scores to tags, by a short description; in JSON `roads`.
        gain_of_thresholds: of fitted thresholds over one flat threshold; in JSON `gain_of_cuts`.
        mean_average_precision: of the scores, without any decision.
        folds: the F2 of each fold.
    """

    f2: float
    interval: Interval
    chips: int
    micro_f1: float
    macro_f1: float
    labels: Mapping[str, LabelReport]
    decisions: Mapping[str, F2Interval]
    gain_of_thresholds: F2Interval
    mean_average_precision: float
    folds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the measurements' JSON value."""
        values = asdict(self)
        keys = {"decisions": "roads", "gain_of_thresholds": "gain_of_cuts"}
        return {keys.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "MeasuredScores":
        """Return the measurements of their JSON value."""
        return cls(
            value["f2"],
            interval(value["interval"]),
            value["chips"],
            value["micro_f1"],
            value["macro_f1"],
            {name: LabelReport.from_json(report) for name, report in value["labels"].items()},
            {name: F2Interval.from_json(entry) for name, entry in value["roads"].items()},
            F2Interval.from_json(value["gain_of_cuts"]),
            value["mean_average_precision"],
            tuple(value["folds"]),
        )


def interval(ends: Sequence[float]) -> Interval:
    """Return the interval of its JSON value."""
    low, high = ends
    return low, high

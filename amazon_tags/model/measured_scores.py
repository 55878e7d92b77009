"""What was measured of a model out of fold, as typed records of its manifest."""

from collections.abc import Mapping
from dataclasses import dataclass

from amazon_tags.records import json_keys

Interval = tuple[float, float]  # the ends of a 95 % bootstrap interval over chips


@dataclass(frozen=True)
class LabelReport:
    """How well one label was tagged; `support` is the number of chips that carry it.

    The other values are None for a label that no chip carries and no answer has: there is nothing to measure.
    """

    precision: float | None
    recall: float | None
    f2: float | None
    interval: Interval | None  # of F2
    support: int


@dataclass(frozen=True)
class F2Interval:
    """An F2, or a difference of two, with its interval."""

    f2: float
    interval: Interval


@json_keys(decisions="roads", gain_of_thresholds="gain_of_cuts")
@dataclass(frozen=True)
class MeasuredScores:
    """The out-of-fold measurements of a bundle.

    Attributes:
        f2: by the bundle's own decision, with its interval.
        chips: how many chips were measured.
        micro_f1: as in scikit-learn.
        macro_f1: the mean over the labels that some chip carries or some answer has.
        labels: each label's report, by name.
        decisions: the F2 of several ways from scores to tags, by a short description.
        gain_of_thresholds: of fitted thresholds over one flat threshold.
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


def decimals(value: float | None) -> str:
    """Return a number with three decimals for a table, or - for None.

    Example:
        >>> decimals(0.25), decimals(None)
        ('0.250', '-')
    """
    return "-" if value is None else f"{value:.3f}"

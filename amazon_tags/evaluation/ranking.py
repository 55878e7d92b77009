"""The report of `amazon_tags rank`: backbones by the adjusted log odds of linear probes, as text, CSV and JSON."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amazon_tags import records
from amazon_tags.records import Json
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores, Tags
from ensemble.metrics import log_odds, score

Interval = tuple[float, float]  # the ends of a 95 % bootstrap interval over chips
MIN_CHIPS_A_LABEL = 5  # that carry a label, and that do not: fewer than one a fold measure nothing
CERTAIN = 0.5  # the score from which a probe says that a chip carries a label


@dataclass(frozen=True)
class Probe:
    """What was measured of one backbone.

    Attributes:
        name: as the user wrote it.
        width: of its vectors.
        megabytes: of its network's files; None if only vectors are known.
        milliseconds: one core's time for a chip; None if only vectors are known.
        scores: (chips, labels) out-of-fold scores of the logistic probe.
        tags: (chips, labels) what they say with one flat threshold.
    """

    name: str
    width: int
    megabytes: float | None
    milliseconds: float | None
    scores: Scores
    tags: Tags


@dataclass(frozen=True)
class RankedBackbone:
    """One row of the ranking; `behind` is how far its log odds are behind the first row's."""

    name: str
    log_odds: float
    log_odds_interval: Interval
    behind: float
    behind_interval: Interval
    f2: float
    f2_interval: Interval
    width: int
    megabytes: float | None
    milliseconds: float | None


@dataclass(frozen=True)
class Ranking:
    """The backbones, best first, the labels that were counted, and those with too few chips, with their number."""

    chips: int
    folds: int
    backbones: tuple[RankedBackbone, ...]
    labels: tuple[str, ...]
    left_out: dict[str, int]
    verdict: str

    def to_json(self) -> Json:
        """Return the values as `rank --json` prints them."""
        return records.to_json(self)


def rank_probes(truth: Tags, probes: Sequence[Probe], space: LabelSpace, *, folds: int) -> Ranking:
    """Return the ranking of at least two backbones that were measured on the same chips.

    Raises:
        ValueError: no label is carried by enough chips.
    """
    carriers = truth.sum(axis=0)
    rarer = np.minimum(carriers, len(truth) - carriers)
    counted = rarer >= MIN_CHIPS_A_LABEL
    if not counted.any():
        raise ValueError(
            f"no label is carried by {MIN_CHIPS_A_LABEL} of the {len(truth)} chips or more, and absent from as many; "
            "label more chips."
        )
    correct = np.stack([(probe.scores >= CERTAIN) == truth for probe in probes])[:, :, counted]
    comparison = log_odds.compare_log_odds(correct)
    rows = [
        RankedBackbone(
            probe.name,
            float(comparison.mean[place]),
            _interval(comparison.interval[place]),
            float(comparison.behind[place]),
            _interval(comparison.behind_interval[place]),
            score.f2(truth, probe.tags),
            score.bootstrap_interval(score.per_chip(truth, probe.tags)),
            probe.width,
            probe.megabytes,
            probe.milliseconds,
        )
        for place, probe in enumerate(probes)
    ]
    rows.sort(key=lambda row: row.behind)
    return Ranking(
        len(truth),
        folds,
        tuple(rows),
        tuple(name for name, is_counted in zip(space.names, counted, strict=True) if is_counted),
        {space.names[label]: int(carriers[label]) for label in np.flatnonzero(~counted)},
        _verdict(rows),
    )


def _interval(ends: np.ndarray) -> Interval:
    return float(ends[0]), float(ends[1])


def _verdict(rows: Sequence[RankedBackbone]) -> str:
    """Return the ranking as a sentence."""
    first, *others = rows
    alike = [row.name for row in others if row.behind_interval[0] <= 0]
    if not alike:
        return f"{first.name} is clearly the best of {len(rows)} on these chips."
    return (
        f"{first.name} comes first, but {', '.join(alike)} cannot be told apart from it on these chips: choose the "
        "smallest or fastest of them."
    )


def ranking_text(ranking: Ranking) -> str:
    """Return the ranking as an aligned table of plain text."""
    width = max(len("backbone"), *(len(row.name) for row in ranking.backbones))
    lines = [
        f"{ranking.chips} chips, {ranking.folds} folds; mean adjusted log odds over {len(ranking.labels)} labels, with "
        "95 % intervals over chips",
        "",
        f"{'backbone':{width}}  log odds  interval         behind  interval             F2  interval         width"
        "     MB  ms a chip",
    ]
    lines += [
        f"{row.name:{width}}  {row.log_odds:+8.3f}  {_ends(row.log_odds_interval, '+.3f')}  {row.behind:6.3f}"
        f"  {_ends(row.behind_interval, '+.3f')}  {row.f2:.4f}  {_ends(row.f2_interval, '.4f')}  {row.width:5}"
        f"  {_number(row.megabytes, '.1f'):>5}  {_number(row.milliseconds, '.2f'):>9}"
        for row in ranking.backbones
    ]
    if ranking.left_out:
        names = ", ".join(f"{name} ({count})" for name, count in ranking.left_out.items())
        lines += [
            "",
            f"not counted in the log odds, since fewer than {MIN_CHIPS_A_LABEL} chips carry or lack them: {names}",
        ]
    return "\n".join([*lines, "", ranking.verdict]) + "\n"


def ranking_csv(ranking: Ranking) -> str:
    """Return the rows of the ranking as CSV; an unknown size or time is an empty cell."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    ends = ("low", "high")
    names = ["log_odds", *(f"log_odds_{end}" for end in ends), "behind", *(f"behind_{end}" for end in ends)]
    names += ["f2", *(f"f2_{end}" for end in ends)]
    writer.writerow(["backbone", *names, "width", "megabytes", "milliseconds"])
    for row in ranking.backbones:
        numbers = [row.log_odds, *row.log_odds_interval, row.behind, *row.behind_interval, row.f2, *row.f2_interval]
        rest = [_number(row.megabytes, ".3f", ""), _number(row.milliseconds, ".3f", "")]
        writer.writerow([row.name, *(f"{number:.6f}" for number in numbers), row.width, *rest])
    return table.getvalue()


def _ends(interval: Interval, form: str) -> str:
    return " to ".join(format(end, form) for end in interval)


def _number(value: float | None, form: str, unknown: str = "-") -> str:
    return unknown if value is None else format(value, form)

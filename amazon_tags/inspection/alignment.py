"""The call behind `amazon_tags inspect alignment`: which tags a linear head will learn fast, by backbone."""

from dataclasses import dataclass

import numpy as np

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.training.compared_backbones import ComparedBackbones, ComparisonOptions, read_compared
from amazon_tags.training.training_data import TrainingSource
from ensemble.arrays import Floats, Tags
from ensemble.representation.alignment import Alignment, measure_alignment

STEPS = 100  # of gradient descent, after which backbones are compared
SLOW = 10  # times the median tag's steps
SHARE = 0.9  # of what a head can explain, for the steps of a tag
DRAWN_STEPS = np.unique(np.geomspace(1, 10_000, 41).astype(int))
MAX_DRAWN = 4  # backbones in the picture: more colours cannot be told apart
NOTES = (
    f"explained: what a linear head explains of a tag beyond its rate, after {STEPS} steps of gradient descent at the "
    "greatest stable rate; mean over tags",
    f"steps: until {SHARE:.0%} of what the vectors can explain of a tag beyond its rate is explained",
    "measured on the chips that the vectors are of, without a held-out part: it is about speed, not about new chips",
)


@dataclass(frozen=True)
class _Aligned:
    """A backbone's alignment with tags, and the step size of the descent."""

    name: str
    alignment: Alignment

    def rate(self) -> float:
        return float(1 / self.alignment.singular[0] ** 2)

    def steps(self, truth: Tags) -> Floats:
        """Return the steps (labels,) until most of a tag is explained; NaN for a tag on all chips or none."""
        constant = _constant(truth)
        steps = self.alignment.steps_to(SHARE, self.rate(), constant)
        return np.where(constant < 1, steps, np.nan)

    def explained(self, truth: Tags, steps: int) -> Floats:
        """Return the share (labels,) explained beyond the constant answer; NaN for a tag on all chips or none."""
        constant = _constant(truth)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares: Floats = 1 - self.alignment.loss(self.rate(), steps) / np.where(constant < 1, 1 - constant, np.nan)
        return shares


def _constant(truth: Tags) -> Floats:
    """Return the share (labels,) of a label's squared length, as -1 and 1, that its rate explains."""
    constant: Floats = (2 * truth.mean(axis=0) - 1) ** 2
    return constant


def inspect_alignment(source: TrainingSource, backbones: tuple[str, ...], options: ComparisonOptions) -> Findings:
    """Rank backbones and layers by how fast linear heads learn the tags, without training any.

    Args:
        source: labelled chips.
        backbones: one or more, as `read_compared` takes them.
        options: weights, folders, threads.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a backbone, the weights, the chips or their table cannot be used, or there are too few chips.
    """
    compared = read_compared(source, backbones, options, least=1)
    truth = compared.data.truth
    found = [_Aligned(name, measure_alignment(embedding.vectors, truth)) for name, embedding in compared.embeddings()]
    found.sort(key=lambda one: -float(np.nanmean(one.explained(truth, STEPS))))
    return _findings(compared, found)


def _findings(compared: ComparedBackbones, found: list[_Aligned]) -> Findings:
    truth, labels = compared.data.truth, compared.data.space.names
    title = f"Alignment of {len(labels)} tags with vectors of {len(truth)} chips"
    steps = np.stack([one.steps(truth) for one in found], axis=1)
    rows: list[tuple[Cell, ...]] = [
        ("(explained)", *(float(np.nanmean(one.explained(truth, STEPS))) for one in found)),
        ("(median steps)", *np.nanmedian(steps, axis=0).tolist()),
        *((label, *row) for label, row in zip(labels, steps.tolist(), strict=True)),
    ]
    columns = ("steps by tag", *(one.name for one in found))
    return Findings(title, columns, rows, NOTES, _advice(compared, found), _picture(truth, found))


def _advice(compared: ComparedBackbones, found: list[_Aligned]) -> str:
    best = found[0]
    steps = best.steps(compared.data.truth)
    slow = np.array(compared.data.space.names)[steps > SLOW * np.nanmedian(steps)].tolist()
    text = f"{best.name} is aligned best with the tags" if len(found) > 1 else f"{best.name}"
    if slow:
        return f"{text}; these are learnt slowly, in more than {SLOW} times the median's steps: {', '.join(slow)}."
    return f"{text}; no tag is learnt far more slowly than the median."


def _picture(truth: Tags, found: list[_Aligned]) -> str:
    series = [
        ChartSeries(
            one.name,
            [ChartPoint(float(step), float(np.nanmean(one.explained(truth, int(step))))) for step in DRAWN_STEPS],
            "line",
        )
        for one in found[:MAX_DRAWN]
    ]
    titles = ChartTitles(
        "What a linear head explains, mean over tags", "steps of gradient descent", "share explained", log_x=True
    )
    return line_chart(titles, series)

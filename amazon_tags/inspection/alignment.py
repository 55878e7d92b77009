"""The call behind `amazon_tags inspect alignment`: which tags a linear head will learn fast, by backbone."""

from dataclasses import dataclass

import numpy as np

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.training.compared_backbones import ComparedBackbones, ComparisonOptions, read_compared
from amazon_tags.training.training_data import TrainingSource
from ensemble.arrays import Floats, Tags
from ensemble.representation.alignment import STEPS, Alignment, constant_shares, explained_shares, measure_alignment

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
    """A backbone's alignment with tags."""

    name: str
    alignment: Alignment

    def steps(self, truth: Tags) -> Floats:
        """Return the steps (labels,) until most of a tag is explained; NaN for a tag on all chips or none."""
        constant = constant_shares(truth)
        steps = self.alignment.steps_to(SHARE, self.alignment.rate(), constant)
        return np.where(constant < 1, steps, np.nan)

    def explained(self, truth: Tags, steps: int) -> float:
        """Return the share of a tag that a head explains beyond its rate, as the mean over tags."""
        return float(np.nanmean(explained_shares(self.alignment, truth, steps)))


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
    found.sort(key=lambda one: -one.explained(truth, STEPS))
    return _findings(compared, found)


def _findings(compared: ComparedBackbones, found: list[_Aligned]) -> Findings:
    truth, labels = compared.data.truth, compared.data.space.names
    title = f"Alignment of {len(labels)} tags with vectors of {len(truth)} chips"
    steps = np.stack([one.steps(truth) for one in found], axis=1)
    rows: list[tuple[Cell, ...]] = [
        ("(explained)", *(one.explained(truth, STEPS) for one in found)),
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
            [ChartPoint(float(step), one.explained(truth, int(step))) for step in DRAWN_STEPS],
            "line",
        )
        for one in found[:MAX_DRAWN]
    ]
    titles = ChartTitles(
        "What a linear head explains, mean over tags", "steps of gradient descent", "share explained", log_x=True
    )
    return line_chart(titles, series)

"""What `amazon_tags inspect reuse` measured, as a table and a line chart, and where reuse ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan, nan

import numpy as np

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.inspection.cka import ALIKE
from amazon_tags.inspection.findings import Cell, Findings
from ensemble.arrays import Floats
from ensemble.metrics import score
from ensemble.representation.nearest import NEIGHBOURS

COLUMNS = (
    "block",
    "before",
    "before_low",
    "before_high",
    "after",
    "after_low",
    "after_high",
    "cost",
    "cost_low",
    "cost_high",
    "drift",
    "cka",
)
NOTES = (
    f"before, after: F2 by the vote of the {NEIGHBOURS} nearest chips of the other folds (cosine, weights of "
    "exp(cosine / 0.1)) at the start and after fine-tuning, at a flat threshold, with 95 % intervals",
    "cost: F2 that the member loses when the block alone is set back to its start, without training; (all): when "
    "every block and the head are, so that it is untrained; with paired 95 % intervals",
    "drift: L2 distance of the block's weights from their start, relative to the norm of the start; cka: debiased CKA "
    "of the vectors at the block's end before and after",
    f"reuse ends at the first block whose cka is below {ALIKE}, whatever its cost: on many chips every cost is clearly "
    "above 0, and on few chips none is",
)


@dataclass(frozen=True)
class MeasuredBlock:
    """A block by the name of its last layer.

    Attributes:
        name: of the last layer.
        before: (chips,) F2 by neighbours at the start.
        after: (chips,) the same after fine-tuning.
        restored: (chips,) F2 of the whole member with this block set back to its start.
        drift: of the weights.
        cka: of the vectors before and after.
        freeze: the share of a recipe's `freeze` that keeps all layers up to the end of the block.
    """

    name: str
    before: Floats
    after: Floats
    restored: Floats
    drift: float
    cka: float
    freeze: float


@dataclass(frozen=True)
class MeasuredReuse:
    """A member's name, its blocks in order, F2 (chips,) of it as it is and untrained, and how many chips it learnt."""

    name: str
    blocks: Sequence[MeasuredBlock]
    whole: Floats
    untrained: Floats
    trained_chips: int


Cost = tuple[float, tuple[float, float]]  # mean and interval


def reuse_findings(reuse: MeasuredReuse) -> Findings:
    """Return the table, the chart and where reuse ends."""
    title = f"Reuse of the start in {len(reuse.blocks)} blocks of {reuse.name} on {len(reuse.whole)} chips"
    costs = [_cost(reuse, block.restored) for block in reuse.blocks]
    rows: list[tuple[Cell, ...]] = [
        (block.name, *_with_interval(block.before), *_with_interval(block.after), cost, *ends, block.drift, block.cka)
        for block, (cost, ends) in zip(reuse.blocks, costs, strict=True)
    ]
    cost, ends = _cost(reuse, reuse.untrained)
    rows.append(("(all)", *[nan] * 6, cost, *ends, nan, nan))

    low, high = score.bootstrap_interval(reuse.whole)
    notes: tuple[str, ...] = (*NOTES, f"F2 of the member as it is: {reuse.whole.mean():.4f} ({low:.4f} to {high:.4f})")
    if reuse.trained_chips:
        notes = (
            *notes,
            f"the bundle was trained on {reuse.trained_chips} of these {len(reuse.whole)} chips: on chips that it has "
            "learnt, F2 after fine-tuning is too high, and a cost is partly that of what was learnt by heart",
        )
    if any(isnan(block.cka) for block in reuse.blocks):
        notes = (*notes, "without a cka: a block whose vectors are the same for all chips, before or after")
    end = next((place for place, block in enumerate(reuse.blocks) if block.cka < ALIKE), None)
    return Findings(title, COLUMNS, rows, notes, _advice(reuse, costs, end), _chart(title, reuse, costs, end))


def _cost(reuse: MeasuredReuse, restored: Floats) -> Cost:
    losses = reuse.whole - restored
    return float(losses.mean()), score.bootstrap_interval(losses)


def _with_interval(f2: Floats) -> tuple[float, float, float]:
    return float(f2.mean()), *score.bootstrap_interval(f2)


def _advice(reuse: MeasuredReuse, costs: Sequence[Cost], end: int | None) -> str:
    """Return where reuse ends, and which blocks fine-tuning may leave alone."""
    if all(isnan(block.cka) for block in reuse.blocks):
        return "Reuse cannot be judged: all chips have the same vectors at every block; name chips that differ."
    limit = f"(a CKA of at least {ALIKE})"
    if end is None:
        return (
            f"Reuse does not end: up to {reuse.blocks[-1].name}, after fine-tuning every block says nearly what it "
            f"said before {limit}. Try a frozen member of this backbone, and check with amazon_tags bundle compare "
            "that little is lost."
        )
    name, cka = reuse.blocks[end].name, reuse.blocks[end].cka
    found = f"Reuse ends at {name}: with a CKA of {cka:.3f} it is the first block that does not say nearly what it said"
    if not end:
        return f"{found} before fine-tuning {limit}, so that no block is reused as it is: leave freeze at 0."
    dearest = max(range(end), key=lambda place: costs[place][0])
    cost, (low, high) = costs[dearest]
    freeze = ceil(1000 * reuse.blocks[end - 1].freeze) / 1000
    return (
        f"{found} before fine-tuning {limit}. Of the blocks before it, setting back {reuse.blocks[dearest].name} "
        f"costs most, {cost:.4f} ({low:.4f} to {high:.4f}) F2: try freeze = {freeze:g} in the recipe, which keeps them "
        "all as they start, and check with amazon_tags bundle compare that little is lost."
    )


def _chart(title: str, reuse: MeasuredReuse, costs: Sequence[Cost], end: int | None) -> str:
    """Return F2 over the number of the block; 0 is the member with nothing restored."""
    whole = float(reuse.whole.mean())
    restored = [ChartPoint(0, whole, name="nothing restored")]
    for place, (block, (cost, (low, high))) in enumerate(zip(reuse.blocks, costs, strict=True)):
        ends = (whole - high, whole - low)
        restored.append(ChartPoint(place + 1, whole - cost, ends, block.name, labelled=place == end))
    series = [
        ChartSeries("neighbours, start", _points(reuse, [block.before for block in reuse.blocks])),
        ChartSeries("neighbours, fine-tuned", _points(reuse, [block.after for block in reuse.blocks])),
        ChartSeries("member, block restored", restored),
    ]
    return line_chart(ChartTitles(title, "block, from the first to the last", "F2"), series)


def _points(reuse: MeasuredReuse, values: Sequence[Floats]) -> list[ChartPoint]:
    return [
        ChartPoint(place + 1, float(np.mean(f2)), score.bootstrap_interval(f2), block.name)
        for place, (block, f2) in enumerate(zip(reuse.blocks, values, strict=True))
    ]

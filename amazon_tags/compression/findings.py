"""What `amazon_tags compress` measured, as a table, a picture and the point that is worth to be shipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from amazon_tags.compression.costs import Cost
from amazon_tags.compression.request import MAX_LOSS, CompressedBundle, CompressRequest
from amazon_tags.compression.units import RATE_SHARE, Point
from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart, stacked_charts
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.training.training_data import TrainingData
from ensemble.compression.strategies import CONTROLS, UNPRUNED
from ensemble.metrics.seeded_scores import SeededScores

COLUMNS = (
    *("point", "compression", "speedup", "f2_before", "f2", "f2_low", "f2_high", "lost", "lost_low", "lost_high"),
    *("map_before", "map", "map_low", "map_high", "ms", "bytes", "gzipped", "memory"),
)
ENDS = (0.025, 0.975)
ALIKE = 1.05  # times of two networks by their quotient, within which they are not told apart
MEBIBYTE = 2**20


@dataclass(frozen=True)
class MeasuredPoint:
    """A point with its compression, its scores before and after fine-tuning, its cost, and how many seeds it had."""

    point: Point
    compression: float
    before: SeededScores
    after: SeededScores
    cost: Cost
    seeds: int

    def is_control(self) -> bool:
        """Return whether it is there to compare others with, and nothing to ship."""
        return self.point.strategy == UNPRUNED or self.point.strategy in CONTROLS


def compression_findings(
    measured: Sequence[MeasuredPoint], data: TrainingData, model: CompressedBundle, request: CompressRequest
) -> Findings:
    """Return the report; the first measured point is the unpruned one."""
    whole = measured[0]
    names = ", ".join(settings.name for settings in model.members())
    title = f"Compression of {names} of {model.folder.name} on {len(data.truth)} chips"
    return Findings(
        title,
        COLUMNS,
        [_row(point, whole) for point in measured],
        _notes(model, request, whole),
        _advice(measured),
        _picture(title, measured),
    )


def choose_point(measured: Sequence[MeasuredPoint], wanted: tuple[str, float] | None) -> MeasuredPoint:
    """Return the point to ship: the wanted one, or the fastest that loses at most `MAX_LOSS` of F2.

    Of points whose times are alike, it is the one with the fewest gzipped bytes.

    Raises:
        ValueError: no point loses so little.
    """
    if wanted:
        return next(point for point in measured if (point.point.strategy, point.point.ratio) == wanted)
    best = _best(measured)
    if best is None:
        raise ValueError(
            f"no point loses at most {MAX_LOSS} of F2, so that none is shipped; name one by --point STRATEGY:RATIO to "
            "ship it all the same."
        )
    return best


def _best(measured: Sequence[MeasuredPoint]) -> MeasuredPoint | None:
    whole = measured[0]
    alike = [point for point in measured if not point.is_control() and lost_f2(point, whole)[0] <= MAX_LOSS]
    if not alike:
        return None
    fastest = min(point.cost.milliseconds for point in alike)
    return min(
        (point for point in alike if point.cost.milliseconds <= ALIKE * fastest), key=lambda point: point.cost.gzipped
    )


def lost_f2(point: MeasuredPoint, whole: MeasuredPoint) -> tuple[float, float, float]:
    """Return the F2 that a point loses to the unpruned networks as they were, with its paired interval."""
    if point is whole:
        return 0.0, 0.0, 0.0
    low, high = np.quantile(whole.before.f2_draws - point.after.f2_draws, ENDS)
    return whole.before.f2 - point.after.f2, float(low), float(high)


def _row(point: MeasuredPoint, whole: MeasuredPoint) -> tuple[Cell, ...]:
    after, cost = point.after, point.cost
    f2_low, f2_high = np.quantile(after.f2_draws, ENDS)
    map_low, map_high = np.nanquantile(after.mean_average_precision_draws, ENDS)
    lost = (nan, nan, nan) if point is whole else lost_f2(point, whole)
    return (
        *(point.point.title, point.compression, whole.cost.multiply_adds / max(1, cost.multiply_adds)),
        *(point.before.f2, after.f2, float(f2_low), float(f2_high), *lost),
        *(point.before.mean_average_precision, after.mean_average_precision, float(map_low), float(map_high)),
        *(cost.milliseconds, cost.size, cost.gzipped, cost.memory),
    )


def _notes(model: CompressedBundle, request: CompressRequest, whole: MeasuredPoint) -> tuple[str, ...]:
    folds = model.recipe.folds
    begins = {
        "bundle": f"the bundle was trained on none of these chips: its networks were pruned, fine-tuned on {folds - 1} "
        f"of {folds} folds and scored on the other",
        "recipe": f"the bundle was trained on {model.shared if model.shared is not None else 'perhaps all'} of these "
        f"chips, so that its own networks know them: for each of {folds} folds its recipe was trained again without "
        "the fold, and these networks were pruned, fine-tuned without the fold and scored on it",
    }
    decision = "one flat threshold" if model.recipe.decision == "flat" else "thresholds fitted on the other folds"
    return (
        begins[model.begin],
        "compression: all parameters by those that are not 0; speedup: multiply-adds by those without zeros; both are "
        "theory (Blalock et al. 2020). The last layer, biases and norms are never pruned, but channels go with theirs",
        f"before, and without a suffix after {request.epochs} epochs of fine-tuning with labels alone, at "
        f"{RATE_SHARE:g} of the recipe's rate; of f2 and map (mean average precision) means over {request.seeds} "
        "seeds, with 95 % intervals over chips and seeds",
        f"f2 by {decision}; lost: f2 of the networks unpruned and not fine-tuned ({whole.before.f2:.4f}) less that of "
        "the row, paired; the row unpruned says what fine-tuning alone changes",
        "ms, bytes, gzipped, memory: measured, of the network as OpenVINO runs it: one core's time for a chip in f32, "
        "its files, these gzipped, and the peak memory in bytes of a process that scores 16 chips; zeros save bytes "
        "when gzipped, but no time: dense kernels compute them",
    )


def _advice(measured: Sequence[MeasuredPoint]) -> str:
    whole, best = measured[0], _best(measured)
    if best is None:
        nearest = min((point for point in measured if not point.is_control()), key=lambda one: lost_f2(one, whole)[0])
        lost, low, high = lost_f2(nearest, whole)
        return (
            f"Keep the bundle as it is: no point loses at most {MAX_LOSS} of F2; {nearest.point.title} loses least, "
            f"{lost:.4f} ({low:.4f} to {high:.4f})."
        )
    lost, low, high = lost_f2(best, whole)
    cost = best.cost
    is_faster = ALIKE * cost.milliseconds <= whole.cost.milliseconds
    end = (
        "Pass --ship BUNDLE to write it."
        if is_faster
        else "It is not faster than the unpruned networks: write it by --ship BUNDLE only where its bytes matter."
    )
    return (
        f"{best.point.title} is the fastest point that loses at most {MAX_LOSS} of F2, and of equally fast ones the "
        f"smallest: it loses {lost:.4f} ({low:.4f} to {high:.4f}), takes {cost.milliseconds:.2f} ms a chip in place "
        f"of {whole.cost.milliseconds:.2f}, and {cost.gzipped / MEBIBYTE:.2f} MiB gzipped in place of "
        f"{whole.cost.gzipped / MEBIBYTE:.2f}. {end}"
    )


def _picture(title: str, measured: Sequence[MeasuredPoint]) -> str:
    """Return F2 over time and over gzipped bytes, with the Pareto front of each."""
    strategies = list(dict.fromkeys(point.point.strategy for point in measured))
    charts = []
    for subject, x_title, x in (
        ("time", "measured milliseconds a chip on one core", [point.cost.milliseconds for point in measured]),
        ("size", "measured MiB, gzipped", [point.cost.gzipped / MEBIBYTE for point in measured]),
    ):
        f2 = [point.after.f2 for point in measured]
        front = sorted(place for place in range(len(x)) if not _is_beaten(place, x, f2))
        front.sort(key=lambda place: x[place])
        series = [ChartSeries("Pareto front", [ChartPoint(x[place], f2[place]) for place in front], "line")]
        for strategy in strategies:
            points = [
                ChartPoint(x[place], f2[place], _interval(point), point.point.title, labelled=place in front)
                for place, point in enumerate(measured)
                if point.point.strategy == strategy
            ]
            series.append(ChartSeries(strategy, points, "dots"))
        charts.append(
            line_chart(ChartTitles(f"F2 by {subject}, with 95 % intervals", x_title, "F2 after fine-tuning"), series)
        )
    return stacked_charts(title, charts)


def _interval(point: MeasuredPoint) -> tuple[float, float]:
    low, high = np.quantile(point.after.f2_draws, ENDS)
    return float(low), float(high)


def _is_beaten(place: int, x: Sequence[float], f2: Sequence[float]) -> bool:
    return any(
        x[other] <= x[place] and f2[other] >= f2[place] and (x[other], f2[other]) != (x[place], f2[place])
        for other in range(len(x))
    )

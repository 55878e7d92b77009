"""What became of a model over time: the models of a registry, the runs of its job, and the chips that it tagged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.model import registry
from amazon_tags.model.registry_list import list_models
from amazon_tags.prediction.drift import DriftLimits, read_history
from amazon_tags.retraining import ledger

MAX_ROWS = 50  # of a table: the latest; the chart shows all
LIMITS = DriftLimits()  # those of `amazon_tags drift` without options


@dataclass(frozen=True)
class HistoryPart:
    """A heading with a chart, if there is one, a table, and remarks."""

    title: str
    chart: Markup | None
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    remarks: list[str]


def history(folder: Path, runs: Path | None, monitor: Path | None) -> list[HistoryPart]:
    """Return what is known of a bundle or registry, the oldest first in each part.

    Args:
        folder: the bundle or registry.
        runs: the folder of a job's runs, with their ledger. None: `runs` beside a registry, if it has one.
        monitor: a log of `predict --monitor`.

    Raises:
        RegistryError: the registry is damaged.
        ValueError: there is no ledger in `runs`, it is damaged, or `monitor` is no log.
    """
    parts = []
    if registry.is_registry(folder):
        parts += _registry_parts(folder)
        beside = folder.resolve().parent / "runs"
        runs = runs or (beside if (beside / ledger.FILE).is_file() else None)
    if runs:
        parts.append(_ledger_part(runs))
    if monitor:
        parts.append(_monitor_part(monitor))
    return parts


def _registry_parts(folder: Path) -> list[HistoryPart]:
    listing = list_models(folder)
    marks = {(True, False): "current", (False, True): "previous"}
    models = [
        (
            model.name,
            "-" if model.f2 is None else f"{model.f2:.4f}",
            str(model.chips or "-"),
            model.damage or marks.get((model.current, model.previous), ""),
        )
        for model in listing.models
    ]
    points = [
        ChartPoint(number, model.f2, name=model.name)
        for number, model in enumerate(listing.models, 1)
        if model.f2 is not None
    ]
    chart = _chart("F2 out of fold of each model", ("model, by age", "F2"), [ChartSeries("F2", points)])
    moves = [(_minute(move.when), move.action, move.before or "-", move.after, move.why) for move in listing.log]
    return [
        HistoryPart("Models of the registry", chart, ("model", "F2", "chips", "state"), *_latest(models)),
        HistoryPart("Promotions", None, ("when", "action", "from", "to", "why"), *_latest(moves)),
    ]


def _ledger_part(runs: Path) -> HistoryPart:
    entries = ledger.entries(runs)
    if not entries:
        raise ValueError(f"{runs} has no {ledger.FILE} with a run; name the folder of runs of a retraining job.")
    series = []
    for name in ("champion", "candidate"):
        values = [(entry.number, getattr(entry, f"f2_{name}")) for entry in entries]
        series.append(ChartSeries(name, [ChartPoint(number, f2) for number, f2 in values if f2 is not None]))
    rows = [
        (
            str(entry.number),
            _minute(entry.ended),
            entry.outcome,
            "-" if entry.f2_champion is None else f"{entry.f2_champion:.4f}",
            "-" if entry.f2_candidate is None else f"{entry.f2_candidate:.4f}",
            str(entry.chips),
            entry.why or "-",
        )
        for entry in entries
    ]
    columns = ("run", "ended", "outcome", "F2 of the champion", "F2 of the candidate", "chips", "why")
    chart = _chart("F2 of champion and candidate in each run", ("run", "F2"), series)
    return HistoryPart("Runs of retraining", chart, columns, *_latest(rows))


def _monitor_part(log: Path) -> HistoryPart:
    history = read_history(log, LIMITS)
    lines = [line for line, _ in history.runs]
    series = [
        ChartSeries(
            title, [ChartPoint(number, value, name=when) for number, when, value in values if value is not None]
        )
        for title, values in (
            ("expected F", [(number, line.when, line.expected_f) for number, line in enumerate(lines, 1)]),
            ("discrepancy", [(number, line.when, line.discrepancy) for number, line in enumerate(lines, 1)]),
        )
    ]
    rows = [
        (
            _minute(line.when),
            line.model,
            f"{line.chips:,}",
            "-" if line.expected_f is None else f"{line.expected_f:.3f}",
            "-" if line.discrepancy is None else f"{line.discrepancy:.2f}",
            "too few chips to compare" if moved is None else "; ".join(moved) or "nothing",
        )
        for line, moved in history.runs
    ]
    columns = ("when", "model", "chips", "expected F", "discrepancy", "moved past its limit")
    table, remarks = _latest(rows)
    if history.damaged:
        remarks = [*remarks, f"Damaged lines of the log that were left out: {history.damaged}."]
    return HistoryPart(
        "Drift", _chart("Tagged chips of each run", ("run", "expected F, discrepancy"), series), columns, table, remarks
    )


def _latest(rows: Sequence[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the latest rows, and a remark where some are left out."""
    remarks = [f"The table shows the latest {MAX_ROWS} of {len(rows)}."] if len(rows) > MAX_ROWS else []
    return list(rows[-MAX_ROWS:]), remarks


def _minute(when: str) -> str:
    """Return a time in ISO 8601 for a table, in UTC as logs have it."""
    return when[:16].replace("T", " ")


def _chart(title: str, axes: tuple[str, str], series: Sequence[ChartSeries]) -> Markup | None:
    drawn = [one for one in series if one.points]
    return Markup(line_chart(ChartTitles(title, *axes), drawn)) if drawn else None  # noqa: S704  our own SVG

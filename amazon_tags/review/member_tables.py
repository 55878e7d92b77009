"""What a report shows of a bundle's members: a table of them, what else was tried, and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.model.manifest import FrontEntry, Manifest
from amazon_tags.model.measured_scores import Interval
from ensemble.networks.settings import FrozenMember


@dataclass(frozen=True)
class MemberTable:
    """A table with a heading and, if there is one, a picture."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    chart: Markup | None = None


def member_tables(manifest: Manifest) -> list[MemberTable]:
    """Return the tables that a manifest has values for."""
    tables = [_members(manifest)]
    if len(manifest.second.trials) > 1:
        rows = [
            (name, f"{trial.f2:.4f}", f"{trial.gain:+.4f}", _interval(trial.interval, "+"))
            for name, trial in manifest.second.trials.items()
        ]
        tables.append(MemberTable("Ways to join them", ("second level", "F2", "gain", "95 % interval"), rows))
    if manifest.front:
        tables.append(_front(manifest.front))
    if len(manifest.precision.costs) > 1:
        rows = [
            (name, f"{cost.loss:+.4f}", _interval(cost.interval, "+"), f"{cost.milliseconds:.2f}")
            for name, cost in manifest.precision.costs.items()
        ]
        columns = ("precision", "F2 lost", "95 % interval", "ms a chip on one core")
        tables.append(MemberTable("Precisions", columns, rows))
    return tables


def _members(manifest: Manifest) -> MemberTable:
    rows = []
    for member in manifest.read_recipe().members:
        is_frozen = isinstance(member, FrozenMember)
        kind = f"frozen, {member.head} head" if isinstance(member, FrozenMember) else "fine-tuned"
        teachers = "" if is_frozen else ", ".join(getattr(member, "teachers", ()))
        is_shipped = "yes" if member.name in manifest.shipped else "no"
        rows.append((member.name, member.backbone, kind, teachers or "-", is_shipped))
    return MemberTable("Members", ("member", "backbone", "kind", "teachers", "in this bundle"), rows)


def _front(front: tuple[FrontEntry, ...]) -> MemberTable:
    """Return the choices of members of which none is faster, smaller and better than another."""
    rows = [
        (
            ", ".join(entry.members),
            f"{entry.milliseconds:.2f}",
            f"{entry.mebibytes:.1f}",
            f"{entry.f2:.4f}",
            "chosen" if entry.chosen else "-",
        )
        for entry in front
    ]
    series = [
        ChartSeries(name, [_point(entry) for entry in front if entry.chosen is chosen], "dots")
        for name, chosen in (("chosen", True), ("other choices", False))
    ]
    titles = ChartTitles("Choices of members by time and F2", "ms a chip on one core", "F2")
    chart = Markup(line_chart(titles, [one for one in series if one.points]))  # noqa: S704  our own SVG
    return MemberTable("Time and F2", ("members", "ms a chip", "MiB", "F2", "state"), rows, chart)


def _point(entry: FrontEntry) -> ChartPoint:
    return ChartPoint(entry.milliseconds, entry.f2, name=", ".join(entry.members))


def _interval(ends: Interval, sign: str = "") -> str:
    low, high = ends
    return f"{low:{sign}.4f} to {high:{sign}.4f}"

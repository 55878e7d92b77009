"""Compare the last run of a monitor's log with limits, and report which measures moved past theirs."""

from dataclasses import asdict, dataclass
from pathlib import Path

from amazon_tags.prediction.monitor import MonitorLine, parse_line
from amazon_tags.records import Json


@dataclass(frozen=True)
class DriftLimits:
    """How far each measure may move, and how many chips a comparison needs.

    A discrepancy of about 0.1 is usual between two samples of some hundred chips of the same kind.
    """

    stability: float = 0.25  # population stability index of a tag's rate; above 0.25 is called shifted
    colours: float = 1.0  # of a band statistic's mean, in standard deviations of the training chips
    discrepancy: float = 0.3  # maximum mean discrepancy; counts only where the test's p-value is below `p`
    p: float = 0.01
    chips: int = 50  # least number in the run; the measures of fewer are mostly chance
    training_chips: int = 30  # least number of the model


@dataclass(frozen=True)
class DriftReport:
    """What moved in the last run of a log."""

    line: MonitorLine  # of the last run
    enough: bool  # whether there are enough chips to compare
    moved: list[str]  # a sentence for each measure past its limit
    earlier_expected_f: list[float]  # of the runs before, oldest first
    damaged: int  # earlier lines that cannot be read, as a crash may leave them

    def to_json(self) -> Json:
        """Return the values as `drift --json` prints them."""
        return {
            "run": self.line.to_json(),
            "enough": self.enough,
            "moved": self.moved,
            "before": self.earlier_expected_f,
            "damaged": self.damaged,
        }


@dataclass(frozen=True)
class DriftHistory:
    """The runs of a log, the oldest first.

    Attributes:
        runs: of each run its line, and a sentence for each measure past its limit; None where too few chips compare.
        damaged: lines that cannot be read.
    """

    runs: tuple[tuple[MonitorLine, list[str] | None], ...]
    damaged: int


def read_history(log: Path, limits: DriftLimits) -> DriftHistory:
    """Compare every run of a log with limits.

    Raises:
        ValueError: no line of the log is a monitor's.
    """
    runs, damaged = [], 0
    for content in _lines(log):
        try:
            line = parse_line(content)
            runs.append((line, _moved_measures(line, limits) if _is_enough(line, limits) else None))
        except ValueError:
            damaged += 1
    if not runs:
        raise ValueError(f"{log} is not a log of predict --monitor; name a log, or predict with --monitor first.")
    return DriftHistory(tuple(runs), damaged)


def find_drift(log: Path, limits: DriftLimits) -> DriftReport:
    """Compare the last run of a log with limits.

    Raises:
        ValueError: the log is empty, or its last line is not a monitor's; or a limit is negative or not a number.
    """
    _refuse_limits(limits)
    *earlier, last = _lines(log)
    try:
        line = parse_line(last)
        enough = _is_enough(line, limits)
        moved = _moved_measures(line, limits) if enough else []
    except ValueError as error:
        raise ValueError(
            f"{log} is not a log of predict --monitor, or its last line is damaged ({error}); "
            "name a log, or predict with --monitor again."
        ) from error

    lines = [_parse_or_none(content) for content in earlier]
    expected_f = [line.expected_f for line in lines if line is not None and line.expected_f is not None]
    return DriftReport(line, enough, moved, expected_f, damaged=lines.count(None))


def drift_text(log: Path, report: DriftReport, limits: DriftLimits) -> str:
    """Return the report as lines of plain text."""
    line = report.line
    lines = [f"{log}: run of {line.when}, model {line.model}, {line.chips:,} chips"]
    if line.expected_f is not None:
        before = f"; {report.earlier_expected_f[-1]:.3f} in the run before" if report.earlier_expected_f else ""
        lines.append(f"expected F {line.expected_f:.3f}, as far as the scores are probabilities{before}")
    if report.damaged:
        lines.append(f"{report.damaged} earlier lines are damaged and were left out")
    if not report.enough:
        lines.append(_too_few(line, limits))
    elif not report.moved:
        lines.append("nothing moved past its limit")
    return "\n".join([*lines, *report.moved]) + "\n"


def _refuse_limits(limits: DriftLimits) -> None:
    for name, limit in asdict(limits).items():
        if not limit >= 0:  # nor NaN
            raise ValueError(f"the limit of {name} is {limit}, but must be 0 or more.")


def _is_enough(line: MonitorLine, limits: DriftLimits) -> bool:
    training_chips = limits.training_chips if line.training_chips is None else line.training_chips
    return line.chips >= limits.chips and training_chips >= limits.training_chips


def _lines(log: Path) -> list[bytes]:
    lines = [line for line in log.read_bytes().split(b"\n") if line.strip()]
    if not lines:
        raise ValueError(f"{log} is empty; predict with --monitor {log} first.")
    return lines


def _parse_or_none(content: bytes) -> MonitorLine | None:
    try:
        return parse_line(content)
    except ValueError:
        return None


def _too_few(line: MonitorLine, limits: DriftLimits) -> str:
    training = ""
    if line.training_chips is not None:
        training = f"; {line.training_chips} training chips, {limits.training_chips} needed"
    return f"too few chips to compare: {line.chips} in the run, {limits.chips} needed{training}"


def _moved_measures(line: MonitorLine, limits: DriftLimits) -> list[str]:
    """Return a sentence for each measure of a run past its limit.

    Raises:
        ValueError: the line lacks measures.
    """
    if line.rates is None or line.stability is None or line.band_means is None or line.band_shifts is None:
        raise ValueError("rates, stability, looks or colours are missing")
    if line.discrepancy is None or line.p is None:
        raise ValueError("discrepancy or p is missing")
    if not line.rates.keys() >= line.stability.keys() or not line.band_means.keys() >= line.band_shifts.keys():
        raise ValueError("a rate or a band's mean is missing")
    moved = [
        f"the rate of {name} moved to {line.rates[name]:.1%}: stability index {index:.2f}, limit {limits.stability}"
        for name, index in line.stability.items()
        if index > limits.stability
    ]
    moved += [
        f"the {name} moved to {line.band_means[name]:.1f}: {deviations:.2f} standard deviations from the "
        f"training chips, limit {limits.colours}"
        for name, deviations in line.band_shifts.items()
        if deviations > limits.colours
    ]
    if line.discrepancy > limits.discrepancy and line.p < limits.p:
        moved.append(
            f"the chips differ from the training chips: discrepancy {line.discrepancy:.2f}, "
            f"limit {limits.discrepancy}, p {line.p:.3f}"
        )
    return moved

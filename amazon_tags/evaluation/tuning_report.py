"""The report of `amazon_tags tune`: held-out scores of every candidate decision, and each label's fitted threshold.

All scores are measured on chips that the fit did not use. Intervals are 95 % bootstraps over chips.
"""

from dataclasses import dataclass, replace

from amazon_tags import records
from amazon_tags.evaluation.evaluate import measure_tags
from amazon_tags.model.measured_scores import LabelReport, decimals
from amazon_tags.records import Json, json_keys
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions import expected, tuning
from ensemble.decisions.recall_floor import chips_needed, is_promised
from ensemble.decisions.tuning import CandidateResult, TuningProblem, TuningResult
from ensemble.metrics import score

Interval = tuple[float, float]


@dataclass(frozen=True)
class CandidateReport:
    """A candidate's mean F-beta over chips, and its gain over the flat threshold."""

    f: float
    gain: float
    interval: Interval  # of the gain


@dataclass(frozen=True)
class CalibrationReport:
    """The chosen kind of calibration, and the log loss of every kind."""

    kind: str
    log_loss: dict[str, float]


@json_keys(threshold="cut", threshold_interval="cut_interval")
@dataclass(frozen=True)
class LabelTuneReport:
    """A label's scores with the chosen tags, its fitted threshold, and its calibration error before and after."""

    evaluation: LabelReport
    threshold: float  # of calibrated scores
    threshold_interval: Interval
    calibration_error: tuple[float, float]  # of the scores as they are, and of the calibrated ones

    def to_json(self) -> Json:
        """Return the values as JSON has them: those of the evaluation and the others, side by side."""
        values = records.to_json(self)
        return {**values.pop("evaluation"), **values}


@dataclass(frozen=True)
class RecallReport:
    """The recalls that the job requires, by label, those that were reached, and their price in F-beta.

    Attributes:
        required: by label.
        reached: held out.
        carriers: how many chips carry each label.
        price: in mean F-beta.
        price_interval: its interval.
    """

    required: dict[str, float]
    reached: dict[str, float]
    carriers: dict[str, int]
    price: float
    price_interval: Interval

    def is_promised(self, label: str) -> bool:
        """Return whether enough chips carry a label to promise its recall."""
        return is_promised(self.carriers[label], self.required[label])

    def to_json(self) -> Json:
        """Return the values as JSON has them, where the required recalls are called `asked`."""
        price = {"f": self.price, "interval": list(self.price_interval)}
        promised = {label: self.is_promised(label) for label in self.required}
        needed = {label: chips_needed(recall) for label, recall in self.required.items()}
        return {
            "asked": self.required,
            "reached": self.reached,
            "promised": promised,
            "carriers": self.carriers,
            "carriers_needed": needed,
            "price": price,
        }


@dataclass(frozen=True)
class TuneReport:
    """All that `tune` reports."""

    chips: int
    beta: float  # of F-beta
    chosen: str  # a key of `candidates`
    verdict: str
    candidates: dict[str, CandidateReport]
    choice_within_folds: CandidateReport  # of the whole procedure, which chooses within the folds too
    forecast: float  # mean expected F-beta of the chosen tags
    calibration: CalibrationReport
    labels: dict[str, LabelTuneReport]
    recalls: RecallReport | None = None  # None where no recall is required

    def to_json(self) -> Json:
        """Return the values as `tune --json` prints them."""
        values = records.to_json(self)
        values["labels"] = {name: label.to_json() for name, label in self.labels.items()}
        del values["recalls"]
        return values if self.recalls is None else {**values, "recall_floors": self.recalls.to_json()}

    def rows(self) -> dict[str, CandidateReport]:
        """Return the rows of the table of candidates: the candidates, then the choice among them within the folds."""
        return {**self.candidates, "choice within folds": self.choice_within_folds}


def tune_report(space: LabelSpace, problem: TuningProblem, result: TuningResult) -> TuneReport:
    """Measure the result of tuning on the problem's chips."""
    chosen = result.candidates[result.chosen]
    kind = result.decision.calibration.kind
    calibrated = tuning.held_out(problem, result.fold, kind)
    forecast = expected.expected_f_beta(calibrated, chosen.tags, beta=problem.start.beta, rules=problem.start.rules)

    evaluations = measure_tags(problem.truth, chosen.tags, space).labels
    thresholds = tuning.threshold_intervals(problem, result.decision.calibration)
    before, after = (score.calibration_error(problem.truth, scores) for scores in (problem.scores, calibrated))
    label_reports = {
        name: LabelTuneReport(
            evaluation=evaluations[name],
            threshold=float(thresholds.thresholds[label]),
            threshold_interval=(float(thresholds.intervals[label, 0]), float(thresholds.intervals[label, 1])),
            calibration_error=(float(before[label]), float(after[label])),
        )
        for label, name in enumerate(space.names)
    }

    return TuneReport(
        chips=len(problem.truth),
        beta=problem.start.beta,
        chosen=result.chosen,
        verdict=tune_verdict(result),
        candidates={name: _candidate_report(candidate) for name, candidate in result.candidates.items()},
        choice_within_folds=_candidate_report(result.choice),
        forecast=float(forecast.mean()),
        calibration=CalibrationReport(kind, result.losses),
        labels=label_reports,
        recalls=_recall_report(space, problem, result, evaluations) if problem.recalls else None,
    )


def _candidate_report(candidate: CandidateResult) -> CandidateReport:
    return CandidateReport(float(candidate.f_beta.mean()), candidate.gain, candidate.interval)


def _recall_report(
    space: LabelSpace, problem: TuningProblem, result: TuningResult, evaluations: dict[str, LabelReport]
) -> RecallReport:
    """Compare the chosen candidate with the same one without required recalls."""
    unconstrained = tuning.compare(replace(problem, recalls={}), result.fold)[result.chosen]
    price = unconstrained.f_beta - result.candidates[result.chosen].f_beta
    required = {space.names[label]: recall for label, recall in problem.recalls.items()}
    return RecallReport(
        required=required,
        reached={name: evaluations[name].recall or 0.0 for name in required},  # `tune` refuses labels of no chip
        carriers={name: evaluations[name].support for name in required},
        price=float(price.mean()),
        price_interval=score.bootstrap_interval(price),
    )


def tune_verdict(result: TuningResult) -> str:
    """Return the choice as a sentence."""
    if result.chosen != tuning.BASELINE:
        candidate = result.candidates[result.chosen]
        low, high = candidate.interval
        return f"use {result.chosen}: it gains {candidate.gain:.4f} ({low:.4f} to {high:.4f}) over the flat threshold."
    flat, constant = (result.candidates[name].f_beta for name in (tuning.BASELINE, "constant"))
    if score.bootstrap_interval(flat - constant)[0] <= 0:
        return "keep the flat threshold; these scores are not clearly better than the same tags for all chips."
    return "keep the flat threshold: no candidate is clearly better."


def tune_text(report: TuneReport) -> str:
    """Return the report as aligned plain text."""
    losses = ", ".join(f"{name} {loss:.5f}" for name, loss in report.calibration.log_loss.items())
    lines = [
        f"{report.chips} chips, F{report.beta:g} held out in {tuning.FOLDS} folds; gains are over the flat threshold",
        "",
        *_candidate_lines(report),
        "",
        f"log loss held out: {losses}; chosen: {report.calibration.kind}",
        f"expected F of the chosen tags: {report.forecast:.4f}",
        "",
        *_label_lines(report),
    ]
    if report.recalls is not None:
        lines += ["", _recall_line(report.recalls), *promise_lines(report.recalls)]
    return "\n".join([*lines, "", report.verdict]) + "\n"


def _candidate_lines(report: TuneReport) -> list[str]:
    rows = [
        f"{name:20} {row.f:.4f} {row.gain:+.4f}  {row.interval[0]:+.4f} to {row.interval[1]:+.4f}"
        for name, row in report.rows().items()
    ]
    return [f"{'candidate':20}      F    gain  95 % interval", *rows]


def _label_lines(report: TuneReport) -> list[str]:
    width = max(map(len, report.labels))
    lines = [
        f"{'label':{width}}  support  precision  recall  threshold  95 % interval   calibration error, before and after"
    ]
    for name, label in report.labels.items():
        (low, high), (before, after), evaluation = label.threshold_interval, label.calibration_error, label.evaluation
        lines.append(
            f"{name:{width}}  {evaluation.support:7}  {decimals(evaluation.precision):>9}"
            f"  {decimals(evaluation.recall):>6}"
            f"  {label.threshold:9.2f}  {low:.2f} to {high:.2f}    {before:.3f}  {after:.3f}"
        )
    return lines


def _recall_line(recalls: RecallReport) -> str:
    low, high = recalls.price_interval
    reached = ", ".join(
        f"{name} {recalls.reached[name]:.3f} of {recall:g}" for name, recall in recalls.required.items()
    )
    return f"recall reached: {reached}; price in F {recalls.price:.4f} ({low:.4f} to {high:.4f})"


def promise_lines(recalls: RecallReport) -> list[str]:
    """Return a sentence for each required recall: whether it is promised of further chips, and if not, why."""
    lines = []
    for label, recall in recalls.required.items():
        needed, carriers = chips_needed(recall), recalls.carriers[label]
        if recalls.is_promised(label):
            lines.append(
                f"promised: a further chip with {label}, drawn as these were, is tagged with a probability of at least "
                f"{recall:g}; that needs {needed} chips with it, and {carriers} have it"
            )
        elif needed is None:
            lines.append(f"not promised: no number of chips is enough for a recall of 1 of {label}")
        else:
            lines.append(
                f"not promised: a recall of {recall:g} of {label} needs {needed} chips with it, and {carriers} have "
                f"it; label {needed - carriers} more, or require at most {carriers / (carriers + 1):.3f}"
            )
    return lines

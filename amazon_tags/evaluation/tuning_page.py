"""The tuning report as one HTML page: the table of candidates, and two small curves for each label."""

import html

import numpy as np
from numpy.typing import NDArray

from amazon_tags.evaluation.tune import TuneOutcome
from amazon_tags.evaluation.tuning_report import LabelTuneReport
from ensemble.arrays import Floats, Scores
from ensemble.decisions import tuning
from ensemble.decisions.tuning import TuningProblem
from ensemble.metrics import score

WIDTH_PIXELS, HEIGHT_PIXELS = 220, 130  # of a curve; two and their gap fit in a column of the page
CURVE_POINTS = 101  # a step of 0.01 in the threshold

STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; max-width: 980px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
.labels { display: grid; grid-template-columns: repeat(auto-fill, minmax(460px, 1fr)); gap: 1em; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { background: #f6f6f4; margin-right: 6px; }
polyline { fill: none; stroke: #1b6b3a; stroke-width: 1.5; } line { stroke: #c22; stroke-dasharray: 3 3; }
text { font: 10px sans-serif; fill: #666; }
"""


def render_page(outcome: TuneOutcome) -> str:
    """Return the page, which loads nothing else."""
    space, problem, result, report = outcome.space, outcome.problem, outcome.result, outcome.report
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{row.f:.4f}</td><td>{row.gain:+.4f}</td>"
        f"<td>{row.interval[0]:+.4f} to {row.interval[1]:+.4f}</td></tr>"
        for name, row in report.rows().items()
    )
    scores = tuning.held_out(problem, result.fold, report.calibration.kind)
    fitted = np.array([label.threshold for label in report.labels.values()], np.float32)
    figures = "".join(
        _figure(name, report.labels[name], problem, scores, fitted, label) for label, name in enumerate(space.names)
    )
    beta = f"{report.beta:g}"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tuning: {html.escape(space.name)}</title><style>{STYLE}</style>
<h1>{html.escape(report.verdict)}</h1>
<p>{report.chips} chips. F{beta} is the mean over chips, held out in {tuning.FOLDS} folds; gains are over one flat
threshold, with 95 % bootstrap intervals.</p>
<table><tr><th>candidate</th><th>F{beta}</th><th>gain</th><th>95 % interval</th></tr>{rows}</table>
<h2>Labels</h2>
<p>On held-out scores, calibrated by {html.escape(report.calibration.kind)}. Left: precision over recall. Right:
mean F{beta} over chips as the label's threshold moves from 0 to 1, with the fitted thresholds of the other labels;
dashed: the fitted threshold.</p>
<div class="labels">{figures}</div></html>
"""


def _figure(
    name: str, report: LabelTuneReport, problem: TuningProblem, scores: Scores, fitted: NDArray[np.float32], label: int
) -> str:
    """Return the two curves of a label with a caption."""
    recall, precision = _precision_recall(problem.truth[:, label], scores[:, label])
    thresholds = np.linspace(0, 1, CURVE_POINTS)
    mean_f = mean_f_by_threshold(problem, scores, fitted=fitted, label=label, thresholds=thresholds)

    lowest, highest = float(mean_f.min()), float(mean_f.max())
    span = max(highest - lowest, 1e-9)
    left, x = WIDTH_PIXELS - 40, min(report.threshold, 1) * WIDTH_PIXELS
    ends = f'<text x="{left}" y="11">{highest:.4f}</text><text x="{left}" y="{HEIGHT_PIXELS - 4}">{lowest:.4f}</text>'
    line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT_PIXELS}"/>'

    low, high = report.threshold_interval
    return (
        f"<figure><figcaption>{html.escape(name)} &middot; {report.evaluation.support} chips &middot; "
        f"threshold {report.threshold:.2f} ({low:.2f} to {high:.2f})</figcaption>"
        f"{_svg(recall, precision)}{_svg(thresholds, (mean_f - lowest) / span, ends + line)}</figure>"
    )


def _svg(x: Floats, y: Floats, marks: str = "") -> str:
    """Return a curve through points in the unit square, with marks over it."""
    points = " ".join(
        f"{across * WIDTH_PIXELS:.1f},{(1 - up) * HEIGHT_PIXELS:.1f}" for across, up in zip(x, y, strict=True)
    )
    return f'<svg width="{WIDTH_PIXELS}" height="{HEIGHT_PIXELS}"><polyline points="{points}"/>{marks}</svg>'


def _precision_recall(true: NDArray[np.bool_], scores: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return recall and precision of one label (points,) as its threshold falls; empty if no chip carries it."""
    if not true.any():
        return np.zeros(0), np.zeros(0)
    hits = np.cumsum(true[np.argsort(-scores, kind="stable")])
    points = np.unique(np.linspace(0, len(hits) - 1, CURVE_POINTS).astype(int))
    return hits[points] / hits[-1], hits[points] / (points + 1)


def mean_f_by_threshold(
    problem: TuningProblem, scores: Scores, *, fitted: NDArray[np.float32], label: int, thresholds: Floats
) -> Floats:
    """Return the mean F-beta over chips (thresholds,) for each threshold of one label.

    Args:
        problem: the truth and beta.
        scores: (chips, labels).
        fitted: (labels,) thresholds of the other labels.
        label: the column whose threshold moves.
        thresholds: values to measure at.
    """
    tags = scores >= fitted
    per_chip_f = []
    for tagged in (False, True):
        tags[:, label] = tagged
        per_chip_f.append(score.per_chip(problem.truth, tags, beta=problem.start.beta))
    untagged_f, tagged_f = per_chip_f

    order = np.argsort(scores[:, label], kind="stable")
    gain = np.concatenate([[0.0], np.cumsum((tagged_f - untagged_f)[order][::-1])])  # of the n highest scores tagged
    count = len(scores) - np.searchsorted(scores[order, label], thresholds.astype(np.float32))
    mean_f: Floats = (untagged_f.sum() + gain[count]) / len(scores)
    return mean_f

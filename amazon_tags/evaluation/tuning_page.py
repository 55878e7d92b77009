"""The tuning report as one HTML page: the table of candidates, and two small curves for each label."""

import numpy as np

from amazon_tags.evaluation.tag_curves import tag_curves
from amazon_tags.evaluation.tune import TuneOutcome
from amazon_tags.evaluation.tuning_report import LabelTuneReport, promise_lines
from amazon_tags.pages.page import render_page
from ensemble.decisions import tuning


def tuning_page(outcome: TuneOutcome) -> str:
    """Return the page, which loads nothing else."""
    space, problem, result, report = outcome.space, outcome.problem, outcome.result, outcome.report
    candidates = [
        (name, f"{row.f:.4f}", f"{row.gain:+.4f}", f"{row.interval[0]:+.4f} to {row.interval[1]:+.4f}")
        for name, row in report.rows().items()
    ]

    scores = tuning.held_out(problem, result.fold, report.calibration.kind)
    fitted = np.array([label.threshold for label in report.labels.values()], np.float32)
    tags = [
        {
            "name": name,
            "caption": _caption(report.labels[name]),
            "curves": tag_curves(name, problem.truth, scores, current=fitted, label=label, beta=report.beta),
        }
        for label, name in enumerate(space.names)
    ]

    return render_page(
        "tuning.html",
        title=f"Tuning: {space.name}",
        styles=["tags.css"],
        verdict=report.verdict,
        chips=report.chips,
        beta=f"{report.beta:g}",
        folds=tuning.FOLDS,
        candidates=candidates,
        calibration=report.calibration.kind,
        promises=promise_lines(report.recalls) if report.recalls else [],
        tags=tags,
    )


def _caption(report: LabelTuneReport) -> str:
    low, high = report.threshold_interval
    return f"{report.evaluation.support} chips, threshold {report.threshold:.2f} ({low:.2f} to {high:.2f})"

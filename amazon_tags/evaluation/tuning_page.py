"""The tuning report as one HTML page: the table of candidates, and two small curves for each label."""

import html
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats
from ensemble.decisions import tuning
from ensemble.decisions.tuning import TuningProblem, TuningResult
from ensemble.metrics import score

WIDE, HIGH = 220, 130  # pixels of a curve
POINTS = 101  # of a curve

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


def render_page(space: LabelSpace, problem: TuningProblem, tuned: TuningResult, found: dict[str, Any]) -> str:
    """The page, complete in itself: it loads nothing."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{row['f']:.4f}</td><td>{row['gain']:+.4f}</td>"
        f"<td>{row['interval'][0]:+.4f} to {row['interval'][1]:+.4f}</td></tr>"
        for name, row in {**found["candidates"], "the choice itself": found["choice_within_folds"]}.items()
    )
    scores = tuning.held_out(problem, tuned.fold, tuned.decision.calibration.kind)
    figures = "".join(_figure(label, name, problem, scores, found) for label, name in enumerate(space.names))
    beta = f"{problem.start.beta:g}"
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tuning: {html.escape(space.name)}</title><style>{STYLE}</style>
<h1>{html.escape(found["verdict"])}</h1>
<p>{found["chips"]} chips. F{beta} is the mean over chips, held out in {tuning.FOLDS} folds; gains are over one flat
cut, with 95 % bootstrap intervals.</p>
<table><tr><th>candidate</th><th>F{beta}</th><th>gain</th><th>95 % interval</th></tr>{rows}</table>
<h2>Labels</h2>
<p>On held-out scores, calibrated by {html.escape(found["calibration"]["kind"])}. Left: precision over recall. Right:
mean F{beta} over chips as the label's cut moves from 0 to 1, the others at their own; dashed, the fitted cut.</p>
<div class="labels">{figures}</div></html>
"""


def _figure(label: int, name: str, problem: TuningProblem, scores: NDArray[np.float32], found: dict[str, Any]) -> str:
    row = found["labels"][name]
    recall, precision = _precision_recall(problem.truth[:, label], scores[:, label])
    thresholds = np.linspace(0, 1, POINTS)
    others = np.array([entry["cut"] for entry in found["labels"].values()], np.float32)
    worth = _worth_by_cut(problem, scores, others, label, thresholds)
    low, high = float(worth.min()), float(worth.max())
    span = max(high - low, 1e-9)
    ends = f'<text x="{WIDE - 40}" y="11">{high:.4f}</text><text x="{WIDE - 40}" y="{HIGH - 4}">{low:.4f}</text>'
    place = min(row["cut"], 1) * WIDE
    line = f'<line x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{HIGH}"/>'
    return (
        f"<figure><figcaption>{html.escape(name)} &middot; {row['support']} chips &middot; cut {row['cut']:.2f} "
        f"({row['cut_interval'][0]:.2f} to {row['cut_interval'][1]:.2f})</figcaption>"
        f"{_svg(recall, precision)}{_svg(thresholds, (worth - low) / span, ends + line)}</figure>"
    )


def _svg(across: Floats, up: Floats, more: str = "") -> str:
    points = " ".join(f"{x * WIDE:.1f},{(1 - y) * HIGH:.1f}" for x, y in zip(across, up, strict=True))
    return f'<svg width="{WIDE}" height="{HIGH}"><polyline points="{points}"/>{more}</svg>'


def _precision_recall(true: NDArray[np.bool_], scores: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Recall and precision as the cut falls, thinned to some `POINTS`; nothing for a label that no chip carries."""
    if not true.any():
        return np.zeros(0), np.zeros(0)
    hits = np.cumsum(true[np.argsort(-scores, kind="stable")])
    some = np.unique(np.linspace(0, len(hits) - 1, POINTS).astype(int))
    return hits[some] / hits[-1], hits[some] / (some + 1)


def _worth_by_cut(
    problem: TuningProblem, scores: NDArray[np.float32], others: NDArray[np.float32], label: int, thresholds: Floats
) -> Floats:
    """Mean F-beta of each cut of one label, the other labels cut as they are."""
    tags = scores >= others
    values = []
    for given in (False, True):
        tags[:, label] = given
        values.append(score.per_chip(problem.truth, tags, beta=problem.start.beta))
    order = np.argsort(scores[:, label], kind="stable")
    gain = np.concatenate([[0.0], np.cumsum((values[1] - values[0])[order][::-1])])
    tagged = len(scores) - np.searchsorted(scores[order, label], thresholds.astype(np.float32))
    result: Floats = (values[0].sum() + gain[tagged]) / len(scores)
    return result

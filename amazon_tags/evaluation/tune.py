"""What `amazon_tags tune` does: scores and truth in, a decision out, with the held-out worth of every candidate."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.evaluate import measure_tags
from amazon_tags.model import decision_file
from amazon_tags.tables import label_tables, labels, score_tables
from amazon_tags.tables.image_names import select
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions import expected, tuning
from ensemble.decisions.decision import flat_decision
from ensemble.decisions.tuning import CandidateResult, TuningProblem, TuningResult
from ensemble.metrics import score


@dataclass(frozen=True)
class TuneRequest:
    """What to tune for: F-beta, recalls (by label) that must be reached, and a table of chips that belong together."""

    beta: float = 2.0
    recalls: dict[str, float] = field(default_factory=dict)
    groups: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class TuneOutcome:
    """What came of it: the problem as it was joined, what was tuned, and the report."""

    space: LabelSpace
    problem: TuningProblem
    tuned: TuningResult
    report: dict[str, Any]


def tune(scores: Path, truth: Path, *, space: str = "planet", request: TuneRequest | None = None) -> TuneOutcome:
    """Choose and fit a decision on the chips that both tables name.

    Args:
        scores: a score table, CSV or Parquet, of chips that the network had not seen.
        truth: a label table, or a one-hot CSV.
        space: `planet`, a TOML file, or `table` (the labels are the score table's columns).
        request: what to tune for.

    Raises:
        ValueError: a table is wrong, no chip is in both, or a recall is asked of a label that no chip has.
    """
    request = request or TuneRequest()
    given = None if space == "table" else labels.choose(space)
    ids, matrix, names = score_tables.read_scores(scores, given)
    known = given or LabelSpace(scores.stem, names)
    table = label_tables.read_truth(truth, known)
    for remark in table.remarks:
        progress.say(f"{truth}: {remark}")
    common = set(ids) & set(table.ids)
    for path, named, other in ((scores, ids, truth), (truth, table.ids, scores)):
        missing = [name for name in named if name not in common]
        if missing:
            progress.say(f"{len(missing)} of {len(named)} chips of {path} are not in {other} (first: {missing[0]})")
    if len(common) < 2 * tuning.FOLDS:
        raise ValueError(f"{len(common)} chips are in both {scores} and {truth}; tuning needs {2 * tuning.FOLDS}.")
    kept = [name for name in ids if name in common]
    problem = TuningProblem(
        matrix[select(ids, kept)],
        table.truth[select(table.ids, kept)],
        flat_decision(len(known.names), rules=decision_file.rules(known), beta=request.beta),
        {_label(known, name): recall for name, recall in request.recalls.items()},
        label_tables.read_groups(request.groups, kept) if request.groups else None,
        request.seed,
    )
    unseen = [known.names[label] for label in problem.recalls if not problem.truth[:, label].any()]
    if unseen:
        raise ValueError(f"a recall is asked of {unseen[0]}, which none of the {len(kept)} chips carries.")
    with progress.bar("tuning", tuning.FOLDS + 1) as advance:
        tuned = tuning.tune_decision(problem, advance=advance)
    return TuneOutcome(known, problem, tuned, tune_report(known, problem, tuned))


def tune_report(space: LabelSpace, problem: TuningProblem, tuned: TuningResult) -> dict[str, Any]:
    """What was found, as plain values; everything but the cuts is held out."""
    chosen = tuned.candidates[tuned.chosen]
    calibrated = tuning.held_out(problem, tuned.fold, tuned.decision.calibration.kind)
    errors = [score.calibration_error(problem.truth, matrix) for matrix in (problem.scores, calibrated)]
    worth = expected.expected_f_beta(calibrated, chosen.tags, beta=problem.start.beta, rules=problem.start.rules)
    thresholds = tuning.threshold_intervals(problem, tuned.decision.calibration)
    measured = measure_tags(problem.truth, chosen.tags, space)
    each = {
        name: {
            **measured["labels"][name],
            "cut": float(thresholds.thresholds[label]),
            "cut_interval": [float(end) for end in thresholds.intervals[label]],
            "calibration_error": [float(error[label]) for error in errors],
        }
        for label, name in enumerate(space.names)
    }
    found = {
        "chips": len(problem.truth),
        "beta": problem.start.beta,
        "chosen": tuned.chosen,
        "verdict": tune_verdict(tuned),
        "candidates": {name: _worth(candidate) for name, candidate in tuned.candidates.items()},
        "choice_within_folds": _worth(tuned.choice),
        "forecast": float(worth.mean()),
        "calibration": {"kind": tuned.decision.calibration.kind, "log_loss": tuned.losses},
        "labels": each,
    }
    if problem.recalls:
        free = tuning.compare(replace(problem, recalls={}), tuned.fold)[tuned.chosen]
        price = free.worth - chosen.worth
        found["recall_floors"] = {
            "asked": {space.names[label]: recall for label, recall in problem.recalls.items()},
            "reached": {space.names[label]: each[space.names[label]]["recall"] for label in problem.recalls},
            "price": {"f": float(price.mean()), "interval": list(score.bootstrap_interval(price))},
        }
    return found


def tune_verdict(tuned: TuningResult) -> str:
    """The choice in a sentence."""
    if tuned.chosen != tuning.BASELINE:
        candidate = tuned.candidates[tuned.chosen]
        low, high = candidate.interval
        return f"use {tuned.chosen}: it gains {candidate.gain:.4f} ({low:.4f} to {high:.4f}) over the flat cut."
    flat, constant = (tuned.candidates[name].worth for name in (tuning.BASELINE, "constant"))
    if score.bootstrap_interval(flat - constant)[0] <= 0:
        return "keep the flat cut; mind that these scores are worth no more than one answer for all chips."
    return "keep the flat cut: no candidate's gain over it clears zero."


def tune_text(found: dict[str, Any]) -> str:
    """The report as aligned plain text."""
    lines = [
        f"{found['chips']} chips, F{found['beta']:g} held out in {tuning.FOLDS} folds; gains are over the flat cut",
        "",
        f"{'candidate':20}      F    gain  95 % interval",
    ]
    for name, row in {**found["candidates"], "the choice itself": found["choice_within_folds"]}.items():
        low, high = row["interval"]
        lines.append(f"{name:20} {row['f']:.4f} {row['gain']:+.4f}  {low:+.4f} to {high:+.4f}")
    losses = ", ".join(f"{name} {loss:.5f}" for name, loss in found["calibration"]["log_loss"].items())
    width = max(map(len, found["labels"]))
    lines += [
        "",
        f"log loss held out: {losses}; taken: {found['calibration']['kind']}",
        f"expected F of the chosen tags: {found['forecast']:.4f}",
        "",
        f"{'label':{width}}  support  precision  recall   cut  95 % interval   calibration error, before and after",
    ]
    for name, row in found["labels"].items():
        low, high = row["cut_interval"]
        before, after = row["calibration_error"]
        lines.append(
            f"{name:{width}}  {row['support']:7}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['cut']:.2f}"
            f"  {low:.2f} to {high:.2f}    {before:.3f}  {after:.3f}"
        )
    if "recall_floors" in found:
        floors = found["recall_floors"]
        low, high = floors["price"]["interval"]
        asked = ", ".join(
            f"{name} {floors['reached'][name]:.3f} of {recall:g}" for name, recall in floors["asked"].items()
        )
        lines += ["", f"recall reached: {asked}; price in F {floors['price']['f']:.4f} ({low:.4f} to {high:.4f})"]
    return "\n".join([*lines, "", found["verdict"]]) + "\n"


def _worth(candidate: CandidateResult) -> dict[str, Any]:
    return {"f": float(candidate.worth.mean()), "gain": candidate.gain, "interval": list(candidate.interval)}


def _label(space: LabelSpace, name: str) -> int:
    return int(np.flatnonzero(labels.encode(space, [name]))[0])

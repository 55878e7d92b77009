"""Choose how scores become tags: read scores and the ground truth, fit a decision, and report its held-out F-beta."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.tuning_report import TuneReport, tune_report
from amazon_tags.model import decision_file
from amazon_tags.tables import label_tables, labels, score_tables, truth_tables
from amazon_tags.tables.image_names import likely_difference, select
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores, Tags
from ensemble.decisions import tuning
from ensemble.decisions.decision import flat_decision
from ensemble.decisions.tuning import TuningProblem, TuningResult
from ensemble.metrics import folds, score
from features.images import naming


@dataclass(frozen=True)
class TuneRequest:
    """What to tune for: the beta of F-beta, required recalls by label, and a table of chips that belong together.

    `join_rows` joins the tags of all rows of an image in the label table.
    """

    beta: float = 2.0
    recalls: dict[str, float] = field(default_factory=dict)
    groups: Path | None = None
    seed: int = 0
    join_rows: bool = False


@dataclass(frozen=True)
class TuneOutcome:
    """The problem that was read from the tables, the result of tuning, and the report on it."""

    space: LabelSpace
    problem: TuningProblem
    result: TuningResult
    report: TuneReport


@dataclass(frozen=True)
class _ScoredTruth:
    """The chips that a score table and a label table both name, in natural order, so that no table's order counts."""

    ids: list[str]
    scores: Scores  # (chips, labels)
    truth: Tags  # (chips, labels)


def tune(scores: Path, truth: Path, *, space: str = "planet", request: TuneRequest | None = None) -> TuneOutcome:
    """Choose and fit a decision on the chips that both tables name.

    Args:
        scores: a score table, CSV or Parquet, of chips that the network was not trained on.
        truth: a label table, a one-hot CSV, or a folder with a subfolder of chips for each class.
        space: `planet`, a TOML file, `table` (the labels are the score table's columns) or `folders` (the subfolders
            of `truth`).
        request: what to tune for.

    Raises:
        ValueError: a table is wrong, too few chips are in both, or a recall is required of a label that no chip has.
    """
    request = request or TuneRequest()
    label_space, chips = _read_tables(scores, truth, space, join_rows=request.join_rows)

    problem = TuningProblem(
        chips.scores,
        chips.truth,
        flat_decision(len(label_space.names), rules=decision_file.rules(label_space), beta=request.beta),
        {_column(label_space, name): recall for name, recall in request.recalls.items()},
        label_tables.read_groups(request.groups, chips.ids) if request.groups else None,
        request.seed,
    )
    _refuse_recalls_without_chips(label_space, problem)
    _refuse_few_groups(problem)
    if remark := score.remark_on_few(len(chips.ids)):
        progress.say(remark)

    with progress.bar("tuning", tuning.FOLDS + 1) as advance:
        result = tuning.tune_decision(problem, advance=advance)
    return TuneOutcome(label_space, problem, result, tune_report(label_space, problem, result))


def _read_tables(scores: Path, truth: Path, space: str, *, join_rows: bool) -> tuple[LabelSpace, _ScoredTruth]:
    """Read both tables, and keep the chips that are in both; report the others."""
    required_space = None if space == "table" else labels.choose(space, truth)
    ids, matrix, names = score_tables.read_scores(scores, required_space)
    label_space = required_space or LabelSpace("table", tuple(sorted(names)))
    matrix = matrix[:, select(names, label_space.names)]
    table = truth_tables.read_truth(truth, label_space, join_rows=join_rows)
    table.report(truth)
    _report_missing(scores, ids, truth, table.ids)
    _report_missing(truth, table.ids, scores, ids)

    in_truth = set(table.ids)
    common = sorted((name for name in ids if name in in_truth), key=naming.natural)
    if len(common) < 2 * tuning.FOLDS:
        raise ValueError(
            f"{len(common)} chips are in both {scores} and {truth}, but tuning needs at least {2 * tuning.FOLDS}"
            f"{_first_difference(ids, table.ids)}; give tables of the same chips."
        )
    return label_space, _ScoredTruth(common, matrix[select(ids, common)], table.truth[select(table.ids, common)])


def _report_missing(path: Path, ids: Sequence[str], other: Path, other_ids: Sequence[str]) -> None:
    in_other = set(other_ids)
    missing = [name for name in ids if name not in in_other]
    if missing:
        progress.say(
            f"{len(missing)} of {len(ids)} chips of {path} are not in {other} (first: {missing[0]})"
            f"{likely_difference(missing[0], other_ids)}"
        )


def _first_difference(ids: Sequence[str], other_ids: Sequence[str]) -> str:
    """Return a clause on the first chip that is not among the others, or an empty string."""
    others = set(other_ids)
    missing = next((name for name in ids if name not in others), None)
    return "" if missing is None else f" (the first has {missing!r}{likely_difference(missing, other_ids)})"


def _refuse_recalls_without_chips(space: LabelSpace, problem: TuningProblem) -> None:
    absent = [space.names[label] for label in problem.recalls if not problem.truth[:, label].any()]
    if absent:
        raise ValueError(
            f"a recall is required of {absent[0]}, which none of the {len(problem.truth)} chips carries; "
            "drop this --recall, or give chips with this label."
        )


def _refuse_few_groups(problem: TuningProblem) -> None:
    if problem.groups is None or folds.can_divide(
        problem.truth, tuning.DIVISIONS, seed=problem.seed, groups=problem.groups
    ):
        return
    count = len(np.unique(problem.groups))
    least = max(folds.least_units(tuning.DIVISIONS), count + 1)
    raise ValueError(
        f"{len(problem.truth)} chips in {count} groups are too few for tuning, which measures in {tuning.FOLDS} folds "
        f"and chooses in folds within these; give at least {least} groups, or leave out --groups."
    )


def _column(space: LabelSpace, name: str) -> int:
    return int(np.flatnonzero(labels.encode(space, [name]))[0])

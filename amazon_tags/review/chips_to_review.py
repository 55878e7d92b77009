"""What is known of the chips that may be reviewed: scores, the tags that they have at present, members' scores.

Rows are in natural order of the names, so that the order of a table changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags import progress
from amazon_tags.model import decision_file
from amazon_tags.review.decided_chips import read_decision
from amazon_tags.tables import labels, score_tables, truth_tables
from amazon_tags.tables.image_names import likely_difference, select
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Rows, Scores, Tags
from ensemble.decisions import calibrate
from ensemble.decisions.decision import Decision, decide_tags, flat_decision
from features.images import naming


@dataclass(frozen=True)
class ReviewTables:
    """The tables to read.

    Attributes:
        scores: a score table, of a model that was not trained on these chips.
        labels: a label table with the present tags; None means that these are the predicted ones.
        members: score tables of other models of the same chips.
        decision: how scores become tags, a file; None is the decision of the model.
        model: a bundle, or a registry, whose current model counts; None is the model inside the package.
        space: as the option `--labels`, for scores without a decision or model: other labels than `planet` then have
            one flat threshold of 0.2. A decision and a model name their own labels.
        join_rows: join the rows of an image in the label table.
    """

    scores: Path
    labels: Path | None = None
    members: tuple[Path, ...] = ()
    decision: Path | None = None
    model: Path | None = None
    space: str = "planet"
    join_rows: bool = False

    def paths(self) -> list[Path]:
        """Return all files that are read."""
        return [path for path in (self.scores, self.labels, *self.members, self.decision) if path]


@dataclass(frozen=True)
class ChipsToReview:
    """Chips in natural order of their names.

    Attributes:
        names: (chips,).
        scores: (chips, labels), calibrated.
        tags: (chips, labels) that the chips have at present.
        has_labels: whether `tags` are a person's labels; else they are predicted.
        members: calibrated scores of all models, if there are several.
        space: the labels.
        decision: how scores became tags.
    """

    names: list[str]
    scores: Scores
    tags: Tags
    has_labels: bool
    members: tuple[Scores, ...]
    space: LabelSpace
    decision: Decision

    def take(self, rows: Rows) -> "ChipsToReview":
        """Return some of the chips."""
        return replace(
            self,
            names=[self.names[row] for row in rows],
            scores=self.scores[rows],
            tags=self.tags[rows],
            members=tuple(member[rows] for member in self.members),
        )


def read_chips(tables: ReviewTables) -> ChipsToReview:
    """Read the tables of a review.

    Raises:
        BundleError: the model is damaged.
        ValueError: a table is wrong, a member lacks a chip, or no chip has both scores and labels.
    """
    space, decision = _decide_how(tables)
    ids, scores, _ = score_tables.read_scores(tables.scores, space)
    names = sorted(ids, key=naming.natural)
    scores = scores[select(ids, names)]

    members = [calibrate.apply(decision.calibration, _member(path, names, space)) for path in tables.members]
    calibrated = calibrate.apply(decision.calibration, scores)
    tags = decide_tags(decision, scores)
    joint = (calibrated, *members) if members else ()
    chips = ChipsToReview(names, calibrated, tags, False, joint, space, decision)
    return _with_labels(chips, tables) if tables.labels else chips


def _decide_how(tables: ReviewTables) -> tuple[LabelSpace, Decision]:
    """Return the label space, and how scores become tags: as in a gallery, but for other labels without a decision."""
    if tables.decision or tables.model or tables.space == labels.PLANET.name:
        reading = read_decision(tables.decision, tables.model)
        return reading.space, reading.decision

    if tables.space == "table":
        names = score_tables.read_scores(tables.scores)[2]
        space = LabelSpace("table", tuple(sorted(names)))
    else:
        space = labels.choose(tables.space, tables.labels)
    progress.say(
        f"neither --model nor --decision says how {tables.scores} becomes tags: its scores are taken as probabilities, "
        "and those of at least 0.2 as tags"
    )
    return space, flat_decision(len(space.names), rules=decision_file.rules(space))


def _member(path: Path, names: Sequence[str], space: LabelSpace) -> Scores:
    ids, scores, _ = score_tables.read_scores(path, space)
    try:
        return scores[select(ids, names)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _with_labels(chips: ChipsToReview, tables: ReviewTables) -> ChipsToReview:
    """Return the chips that have labels, with these for tags; what is unknown stays as predicted."""
    path = tables.labels or Path()
    table = truth_tables.read_truth(path, chips.space, allow_unknown=True, join_rows=tables.join_rows)
    table.report(path)
    positions = {name: row for row, name in enumerate(table.ids)}
    rows = [row for row, name in enumerate(chips.names) if name in positions]
    if len(rows) < len(chips.names):
        first = next(name for name in chips.names if name not in positions)
        missing = f"{len(chips.names) - len(rows)} of {len(chips.names)} chips of {tables.scores} have no row in {path}"
        hint = f"(first: {first!r}){likely_difference(first, table.ids)}"
        if not rows:
            raise ValueError(f"{missing} {hint}; give tables of the same chips.")
        progress.say(f"{missing} {hint} and are left out")

    kept = chips.take(select(chips.names, [chips.names[row] for row in rows]))
    order = select(table.ids, kept.names)
    tags = table.truth[order] | (table.unknown[order] & kept.tags)
    return replace(kept, tags=tags, has_labels=True)

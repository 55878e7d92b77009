"""What the answers to a random sample say of all chips of its folder: F-beta, precision and recall with intervals."""

from dataclasses import dataclass, fields
from math import nan

import numpy as np

from amazon_tags import progress
from amazon_tags.model import decision_file
from amazon_tags.records import Json
from amazon_tags.review.sample_answers import Answers
from amazon_tags.review.sample_plan import SamplePlan
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Counts, Rows, Scores, Tags
from ensemble.decisions import tuning
from ensemble.decisions.decision import Decision, decide_tags, flat_decision
from ensemble.decisions.tuning import TuningProblem
from ensemble.metrics import sample_intervals, score, strata
from ensemble.metrics.sample_intervals import Estimate, Interval


@dataclass(frozen=True)
class Share:
    """A share of chips, of the drawn ones and its interval for the folder."""

    hits: int
    count: int
    interval: Interval

    @property
    def value(self) -> float:
        """The share among the drawn chips, NaN where there is none."""
        return self.hits / self.count if self.count else nan

    def text(self) -> str:
        """Return it in words."""
        low, high = self.interval
        return f"{self.value:.3f} ({low:.3f} to {high:.3f})" if self.count else "-"

    def to_json(self) -> Json:
        """Return it for JSON, with null for a share of no chip."""
        value = {"value": self.value, "interval": list(self.interval)} if self.count else {"value": None}
        return {**value, "hits": self.hits, "of": self.count}


@dataclass(frozen=True)
class LabelShares:
    """What is known of a label: on which share of the chips it holds, its precision and its recall."""

    share: Share
    precision: Share
    recall: Share

    def to_json(self) -> Json:
        """Return it for JSON."""
        return {field.name: getattr(self, field.name).to_json() for field in fields(self)}


@dataclass(frozen=True)
class Certificate:
    """The estimates for a folder.

    Attributes:
        space: the labels.
        beta: of F-beta.
        folder: how many chips can be used.
        answered: how many of the sample are answered.
        f: mean F-beta of the tags as they were decided.
        corrected_f: the same of tags by a decision that was tuned on the answers of other folds.
        gain: of the second over the first.
        corrected: the tuned decision, fitted on all answers.
        predicted: by label, how many chips of the folder have it as a tag.
        labels: by label, its shares.
    """

    space: LabelSpace
    beta: float
    folder: int
    answered: int
    f: Estimate
    corrected_f: Estimate
    gain: Estimate
    corrected: Decision
    predicted: dict[str, int]
    labels: dict[str, LabelShares]


def certify(plan: SamplePlan, answers: Answers, scores: Scores) -> Certificate:
    """Estimate what is true of the folder; `scores` are those of the answered chips (chips, labels)."""
    space, decision = decision_file.from_json(plan.decision)
    truth, tags = answers.truth, decide_tags(decision, scores)
    drawn, sizes = answered_strata(plan, len(truth))
    folder = int(sizes.sum())

    problem = TuningProblem(scores, truth, _flat(space, decision), {})
    with progress.bar("tuning", tuning.FOLDS + 1) as advance:
        tuned = tuning.tune_decision(problem, advance=advance)
    f_beta = score.per_chip(truth, tags, beta=decision.beta)
    tuned_f = score.per_chip(truth, tuned.choice.tags, beta=decision.beta)

    return Certificate(
        space,
        decision.beta,
        folder,
        len(truth),
        sample_intervals.stratified_mean(f_beta, drawn, sizes),
        sample_intervals.stratified_mean(tuned_f, drawn, sizes),
        sample_intervals.stratified_difference(tuned_f - f_beta, drawn, sizes),
        tuned.decision,
        plan.predicted,
        label_shares(plan, answers, tags),
    )


def _flat(space: LabelSpace, decision: Decision) -> Decision:
    return flat_decision(len(space.names), rules=decision.rules, beta=decision.beta)


def label_shares(plan: SamplePlan, answers: Answers, tags: Tags) -> dict[str, LabelShares]:
    """Return the shares of each label, by name; `tags` are those of the answered chips of the sample."""
    space, _ = decision_file.from_json(plan.decision)
    shares = {}
    for label, name in enumerate(space.names):
        holds, tagged = answers.truth[:, label], tags[:, label]
        right = np.concatenate([holds[tagged], answers.further.get(name, np.zeros(0, np.bool_))])
        shares[name] = LabelShares(
            _share(holds, sum(plan.strata)), _share(right, plan.predicted[name]), _share(tagged[holds])
        )
    return shares


def answered_strata(plan: SamplePlan, answered: int) -> tuple[Rows, Counts]:
    """Return the strata of the answered chips and their sizes, merged where a stratum has few answers."""
    count = len(plan.strata)
    merged = max(1, min(count, answered // strata.MIN_CHIPS))
    places = np.arange(count) * merged // count
    drawn = places[[chip.stratum for chip in plan.sample[:answered]]]
    return drawn, np.bincount(places, plan.strata).astype(np.int64)


def _share(has: Tags, whole: int | None = None) -> Share:
    hits, count = int(has.sum()), len(has)
    return Share(hits, count, sample_intervals.share(hits, count, whole))

"""What the answers to a random sample say of all chips of its folder: F-beta, precision and recall with intervals."""

from dataclasses import dataclass, fields
from math import nan

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.interval_chart import ChartInterval, interval_chart
from amazon_tags.inspection.findings import Cell, Findings
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

COLUMNS = ("label", "on chips", "share", "precision", "recall", "more for precision", "more for recall")


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


def certificate_findings(certificate: Certificate, width: float) -> Findings:
    """Return the certificate as a table with a picture, and how many more chips intervals of a width need."""
    name = f"F{certificate.beta:g}"
    needed = sample_intervals.chips_for_mean(certificate.f.deviation, width, certificate.folder)
    more = max(0, needed - certificate.answered)
    notes = (
        f"{name} as the tags are: {_shown(certificate.f)}; {_more(more, width)}",
        f"{name} by a decision that is tuned on the answers, measured on chips it was not tuned on: "
        f"{_shown(certificate.corrected_f)}; gain {_shown(certificate.gain, sign='+')}",
        "intervals are of 95 %; on chips: of the drawn ones; share: of the folder's chips; -: no drawn chip says it",
        f"more: about so many more chips make the interval as narrow as {width:g}; for precision, chips with the tag "
        "(certify --each-tag), for recall, any",
    )
    details = {
        "chips": certificate.folder,
        "answered": certificate.answered,
        "f": _estimate(certificate.f),
        "corrected_f": _estimate(certificate.corrected_f),
        "gain": _estimate(certificate.gain),
        "more_for_f": more,
        "labels": {label: shares.to_json() for label, shares in certificate.labels.items()},
    }
    return Findings(
        f"{name} of {certificate.folder:,} chips, from {certificate.answered:,} drawn at random",
        COLUMNS,
        [_row(certificate, label, width) for label in certificate.space.names],
        notes,
        _advice(certificate),
        _picture(certificate),
        details,
    )


def _row(certificate: Certificate, label: str, width: float) -> tuple[Cell, ...]:
    shares = certificate.labels[label]
    share, precision, recall = shares.share, shares.precision, shares.recall
    others = certificate.folder - certificate.answered
    return (
        *(label, share.hits, share.text(), precision.text(), recall.text()),
        _needed(precision, width, 1.0, certificate.predicted[label] - precision.count),
        _needed(recall, width, share.value or nan, others),
    )


def _needed(share: Share, width: float, per_chip: float, most: int) -> int | float:
    """Return how many more chips an interval of the width needs, of which `per_chip` count for the share."""
    if not share.count:
        return nan
    low, high = share.interval
    if high - low <= width:
        return 0
    missing = sample_intervals.count_for_share(share.value, width) - share.count
    return min(most, max(0, int(np.ceil(missing / per_chip))))


def _advice(certificate: Certificate) -> str:
    low, high = certificate.f.interval
    name = f"F{certificate.beta:g}"
    text = f"{name} of the folder is between {low:.3f} and {high:.3f} with a confidence of 95 %."
    if certificate.gain.interval[0] > 0:
        return f"{text} The decision tuned on the answers is clearly better: write it by --corrected and use it."
    return f"{text} A decision tuned on the answers is not clearly better: keep the tags."


def _more(more: int, width: float) -> str:
    if not more:
        return f"its interval is as narrow as {width:g}"
    return f"about {more:,} more chips would make its interval as narrow as {width:g}"


def _shown(estimate: Estimate, sign: str = "") -> str:
    low, high = estimate.interval
    return f"{estimate.mean:{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"


def _estimate(estimate: Estimate) -> Json:
    return {"mean": estimate.mean, "interval": list(estimate.interval)}


def _picture(certificate: Certificate) -> str:
    """Return intervals of precision and recall, for the labels of which a drawn chip says something."""
    rows = {
        name: {
            kind: ChartInterval(share.value, *share.interval)
            for kind, share in (("precision", shares.precision), ("recall", shares.recall))
            if share.count
        }
        for name, shares in certificate.labels.items()
    }
    return interval_chart("Precision and recall of each label, with 95 % intervals", rows)

"""The certificate of a folder as a table with a picture, and how many more chips narrower intervals need."""

from math import nan

import numpy as np

from amazon_tags.evaluation.interval_chart import ChartInterval, interval_chart
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.records import Json
from amazon_tags.review.certificate import Certificate, Share
from ensemble.metrics import sample_intervals
from ensemble.metrics.sample_intervals import Estimate

COLUMNS = ("label", "on chips", "share", "precision", "recall", "more for precision", "more for recall")


def certificate_findings(certificate: Certificate, width: float) -> Findings:
    """Return the findings, with how many more chips would make intervals as narrow as `width`."""
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

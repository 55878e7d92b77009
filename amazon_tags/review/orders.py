"""The orders of a review: which chips to look at first."""

import warnings
from collections.abc import Callable
from typing import Literal

import numpy as np

from amazon_tags.review.chips_to_review import ChipsToReview
from ensemble.arrays import Floats, Rows
from ensemble.decisions import review_worth

Order = Literal["worth", "errors", "cleanlab", "expected", "disagreement", "rare"]


def order_rows(chips: ChipsToReview, order: Order) -> Rows:
    """Return the rows of the chips, what is worth most first.

    Raises:
        ImportError: cleanlab is not installed.
        ValueError: the order needs labels or several score tables, which the chips do not have.
    """
    if order in ("errors", "cleanlab") and not chips.has_labels:
        raise ValueError(f"the order {order!r} compares labels with scores and got no labels; name them by --table.")
    if order == "disagreement" and not chips.members:
        raise ValueError(
            "the order 'disagreement' compares score tables and got one; name another model's by --member."
        )
    return ORDERS[order](chips)


def _by_worth(chips: ChipsToReview) -> Rows:
    """Join all that is known: with labels their suspicion and the F that they lose, else doubt and rare tags."""
    signals = [_suspicion(chips), _lost_f(chips)] if chips.has_labels else [_missing_f(chips), _rarity(chips)]
    if chips.members:
        signals.append(review_worth.disagreement(chips.members))
    return review_worth.order_jointly(signals)


def _by_expected(chips: ChipsToReview) -> Rows:
    return _largest_first(_lost_f(chips) if chips.has_labels else _missing_f(chips))


def _by_cleanlab(chips: ChipsToReview) -> Rows:
    """Order by cleanlab's multi-label filter: the issues that it finds by its label quality, then the other chips."""
    from cleanlab.multilabel_classification import get_label_quality_scores  # noqa: PLC0415  the extra `quality`
    from cleanlab.multilabel_classification.filter import find_label_issues  # noqa: PLC0415

    columns = np.flatnonzero(chips.tags.any(axis=0) & ~chips.tags.all(axis=0))  # it needs both answers of each label
    given = [np.flatnonzero(row).tolist() for row in chips.tags[:, columns]]
    scores = chips.scores[:, columns].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on each label that few chips have
        is_issue = find_label_issues(given, scores, n_jobs=1)
    quality = get_label_quality_scores(given, scores)
    return np.lexsort((quality, ~is_issue))


def _suspicion(chips: ChipsToReview) -> Floats:
    return review_worth.suspicion(chips.scores, chips.tags)


def _lost_f(chips: ChipsToReview) -> Floats:
    decision = chips.decision
    return review_worth.lost_f(chips.scores, chips.tags, beta=decision.beta, rules=decision.rules)


def _missing_f(chips: ChipsToReview) -> Floats:
    decision = chips.decision
    return review_worth.missing_f(chips.scores, chips.tags, beta=decision.beta, rules=decision.rules)


def _rarity(chips: ChipsToReview) -> Floats:
    return review_worth.rarity(chips.scores, chips.scores.mean(axis=0, dtype=np.float64))


def _largest_first(values: Floats) -> Rows:
    return np.argsort(-values, kind="stable")


ORDERS: dict[Order, Callable[[ChipsToReview], Rows]] = {
    "worth": _by_worth,
    "errors": lambda chips: _largest_first(_suspicion(chips)),
    "cleanlab": _by_cleanlab,
    "expected": _by_expected,
    "disagreement": lambda chips: _largest_first(review_worth.disagreement(chips.members)),
    "rare": lambda chips: _largest_first(_rarity(chips)),
}

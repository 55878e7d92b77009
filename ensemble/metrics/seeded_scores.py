"""Measures of several trainings that differ by their seed, with bootstraps over the chips and the seeds.

All functions use the same draws of chips for the same seed of the bootstrap, so that differences are paired.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags
from ensemble.metrics import score

DRAWS = 1000


@dataclass(frozen=True)
class SeededScores:
    """Means over the trainings, and their bootstrap draws; NaN where a label is on no chip (of the draw)."""

    f2: float
    f2_draws: Floats  # (draws,)
    mean_average_precision: float
    mean_average_precision_draws: Floats  # (draws,)
    recall: Floats  # (labels,)
    recall_draws: Floats  # (draws, labels)


def measure_seeds(truth: Tags, scores: Scores, tags: Tags, *, seed: int = 0, draws: int = DRAWS) -> SeededScores:
    """Measure trainings on the same held-out chips.

    Args:
        truth: (chips, labels).
        scores: (trainings, chips, labels).
        tags: (trainings, chips, labels) what the scores say.
        seed: of the bootstrap.
        draws: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    chips, trainings = len(truth), len(scores)
    counts = [np.bincount(rng.integers(chips, size=chips), minlength=chips) for _ in range(draws)]
    times = np.stack([np.ones(chips), *counts])  # the first row is the sample itself
    shares = rng.multinomial(trainings, np.full(trainings, 1 / trainings), size=draws) / trainings
    shares = np.concatenate([np.full((1, trainings), 1 / trainings), shares])

    f2 = np.stack([times @ score.per_chip(truth, tag) / chips for tag in tags], axis=1)
    precision = np.stack([_mean_average_precision(truth, score_, times) for score_ in scores], axis=1)
    with np.errstate(invalid="ignore"):  # a label on no chip
        recalls = np.stack([(times @ (truth & tag)) / (times @ truth) for tag in tags], axis=1)
    f2, precision = (f2 * shares).sum(axis=1), (precision * shares).sum(axis=1)
    recall = np.einsum("dtl,dt->dl", recalls, shares)
    return SeededScores(float(f2[0]), f2[1:], float(precision[0]), precision[1:], recall[0], recall[1:])


def average_precision(carries: NDArray[np.bool_], scores: NDArray[np.float32], times: Floats) -> Floats:
    """Return the average precision (draws,) of one label, as scikit-learn's with `times` as the chips' weights.

    Args:
        carries: (chips,) the truth.
        scores: (chips,); chips of equal scores are retrieved together.
        times: (draws, chips) how often each draw has each chip.

    Returns:
        NaN where no chip of a draw carries the label.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.searchsorted(-scores[order], -scores[order], side="right") - 1  # of each chip's group of equal scores
    places = np.flatnonzero(carries[order])
    drawn = times[:, order]
    hits = drawn[:, places]
    found = np.concatenate([np.zeros((len(times), 1)), np.cumsum(hits, axis=1)], axis=1)
    right = found[:, np.searchsorted(places, ends[places], side="right")]
    retrieved = np.cumsum(drawn, axis=1)[:, ends[places]]
    with np.errstate(invalid="ignore"):
        values: Floats = (hits * right / np.maximum(retrieved, 1)).sum(axis=1) / hits.sum(axis=1)
    return values


def _mean_average_precision(truth: Tags, scores: Scores, times: Floats) -> Floats:
    labels = np.flatnonzero(truth.any(axis=0))
    values = np.stack([average_precision(truth[:, label], scores[:, label], times) for label in labels])
    means: Floats = np.nanmean(values, axis=0)
    return means

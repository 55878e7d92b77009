"""Compare models over several labels by adjusted log odds of being right (Kornblith et al. 2019, section 3).

In log odds, half as many errors count alike for an easy and for a hard label. The adjustment, which subtracts the mean
over the models, removes how hard a label is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats
from ensemble.metrics.score import resampled_sums

Correct = NDArray[np.bool_]  # (models, chips, labels): whether a model is right about a label on a chip


@dataclass(frozen=True)
class LogOddsComparison:
    """The mean adjusted log odds of each model, and how far it is behind the best, with 95 % bootstraps over chips."""

    mean: Floats  # (models,); they sum to 0
    interval: Floats  # (models, 2)
    behind: Floats  # (models,): the best model's mean less this one's, 0 for the best
    behind_interval: Floats  # (models, 2), of a paired comparison


def adjusted_log_odds(right: Floats, chips: int) -> Floats:
    """Return the log odds of being right (..., models, labels), less their mean over the models.

    Half a chip is added to the right and to the wrong answers, so that no error at all is not infinite.

    Args:
        right: (..., models, labels) the number of chips that a model is right about.
        chips: their number.

    Example:
        >>> adjusted_log_odds(np.array([[90.0], [50.0]]), 100).round(3).tolist()
        [[1.077], [-1.077]]
    """
    odds = np.log((right + 0.5) / (chips - right + 0.5))
    adjusted: Floats = odds - odds.mean(axis=-2, keepdims=True)
    return adjusted


def compare_log_odds(correct: Correct, *, seed: int = 0, draws: int = 2000, level: float = 0.95) -> LogOddsComparison:
    """Return the comparison of at least two models on the same chips.

    Raises:
        ValueError: there is one model, no chip or no label.
    """
    models, chips, labels = correct.shape
    if models < 2 or not chips or not labels:
        raise ValueError(
            f"correct has shape {correct.shape}; needed are (models, chips, labels), of models at least two."
        )
    mean = adjusted_log_odds(correct.sum(axis=1).astype(np.float64), chips).mean(axis=1)
    columns = np.moveaxis(correct, 1, 0).reshape(chips, models * labels).astype(np.float64)
    sums = resampled_sums(columns, seed, draws).reshape(draws, models, labels)
    drawn = adjusted_log_odds(sums, chips).mean(axis=2)

    ends = [(1 - level) / 2, (1 + level) / 2]
    best = int(mean.argmax())
    return LogOddsComparison(
        mean,
        np.quantile(drawn, ends, axis=0).T,
        mean[best] - mean,
        np.quantile(drawn[:, [best]] - drawn, ends, axis=0).T,
    )

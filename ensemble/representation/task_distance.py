"""Task2Vec: how unlike two labelling tasks are, by what a probe's weights have to know for each.

By Achille et al. 2019, "Task2Vec: Task Embedding for Meta-Learning", sections 2 and 3; the diversity coefficient by
Miranda et al. 2022, "The Curse of Low Task Diversity".
"""

import numpy as np

from ensemble.arrays import Floats, Scores


def fisher_diagonal(vectors: Floats, scores: Scores, *, draws: int, seed: int) -> Floats:
    """Return the diagonal (dim,) of the Fisher information of logistic probes, averaged over chips and labels.

    Labels are drawn from the probes' own scores, Bernoulli(score); the gradient of a draw is (score - label) * vector.

    Args:
        vectors: (chips, dim) that the probes take.
        scores: (chips, labels), of the probes, in 0..1.
        draws: of labels a chip.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    squares = np.zeros(len(vectors))
    for _ in range(draws):
        labels = rng.random(scores.shape) < scores
        squares += ((scores - labels) ** 2).mean(axis=1)
    diagonal: Floats = (vectors**2 * (squares / draws)[:, np.newaxis]).mean(axis=0)
    return diagonal


def task_distance(first: Floats, second: Floats) -> float:
    """Return the distance of two Fisher diagonals (dim,), in 0..1: a cosine distance in which no large weight rules.

    Each value is divided by the sum of both (section 3, d_sym). Values that are 0 in both are left out.

    Example:
        >>> round(task_distance(np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])), 4)
        0.3333
    """
    total = first + second
    x, y = first[total > 0] / total[total > 0], second[total > 0] / total[total > 0]
    return float(1 - x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def task_distances(diagonals: Floats) -> Floats:
    """Return the distances (tasks, tasks) between Fisher diagonals (tasks, dim)."""
    distances = np.zeros((len(diagonals), len(diagonals)))
    for row, first in enumerate(diagonals):
        for column in range(row):
            distances[row, column] = distances[column, row] = task_distance(first, diagonals[column])
    return distances


def diversity_coefficient(distances: Floats) -> float:
    """Return the mean distance between two different tasks of a matrix (tasks, tasks)."""
    return float(distances[np.triu_indices(len(distances), k=1)].mean())

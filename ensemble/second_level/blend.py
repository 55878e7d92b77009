"""Weighted means of several members' scores, of their logarithms or of their ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags

MIN_SCORE = 1e-7  # before a logarithm
NUMBER_OF_KNOTS = 65  # quantiles of a label's distribution of scores
SELECTION_ROUNDS = 40  # of the greedy selection; a weight is then a multiple of a fortieth
KINDS = ("mean", "geometric", "rank")


@dataclass(frozen=True)
class Blend:
    """A weighted mean of members.

    The rank mean has knots: quantiles of each member's scores and, last, of their plain mean, onto which it maps the
    mean rank back.
    """

    kind: str  # one of KINDS
    weights: Floats  # (members, labels), each column sums to 1
    knots: Floats  # (members + 1, labels, NUMBER_OF_KNOTS), or no members

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """Return one matrix from one of each member, in the order of the weights."""
        check(matrices, len(self.weights))
        if self.kind == "mean":
            total = sum(share * matrix for share, matrix in zip(self.weights, matrices, strict=True))
        elif self.kind == "geometric":
            logs = [np.log(np.maximum(matrix.astype(np.float64), MIN_SCORE)) for matrix in matrices]
            total = np.exp(sum(share * log for share, log in zip(self.weights, logs, strict=True)))
        else:
            total = self._ranked(matrices)
        scores: Scores = np.clip(total, 0, 1).astype(np.float32)
        return scores

    def _ranked(self, matrices: Sequence[Scores]) -> Floats:
        steps = np.linspace(0, 1, self.knots.shape[-1])
        total = np.zeros(matrices[0].shape)
        for label in range(len(self.weights[0])):
            ranks = [
                share[label] * _rank(matrix[:, label], knots[label])
                for share, matrix, knots in zip(self.weights, matrices, self.knots[:-1], strict=True)
            ]
            total[:, label] = np.interp(np.sum(ranks, axis=0), steps, self.knots[-1, label])
        return total


def _rank(values: NDArray[np.float32], knots: Floats) -> Floats:
    """Return the rank of values among a distribution's quantiles, 0 to 1; the middle one of several."""
    steps = np.linspace(0, 1, len(knots))
    rank: Floats = (np.interp(values, knots, steps) + 1 - np.interp(-values, -knots[::-1], steps)) / 2
    return rank


def mean(matrices: Sequence[Scores]) -> Scores:
    """Return the plain mean of score matrices.

    Example:
        >>> mean([np.float32([[0.0, 1.0]]), np.float32([[1.0, 1.0]])])
        array([[0.5, 1. ]], dtype=float32)
    """
    check(matrices, len(matrices))
    return equal(matrices).scores(matrices)


def equal(matrices: Sequence[Scores], kind: str = "mean") -> Blend:
    """Return the mean, of a kind in `KINDS`, in which all members weigh the same."""
    shape = (len(matrices), matrices[0].shape[1])
    return Blend(kind, np.full(shape, 1 / len(matrices)), np.zeros((0, shape[1], 0)))


def ranked(matrices: Sequence[Scores]) -> Blend:
    """Return the mean of ranks among these scores, mapped back onto the distribution of their plain mean."""
    steps = np.linspace(0, 1, NUMBER_OF_KNOTS)
    plain = mean(matrices)
    knots = [np.quantile(matrix.astype(np.float64), steps, axis=0).T for matrix in [*matrices, plain]]
    return Blend("rank", equal(matrices).weights, np.stack(knots))


def greedy(matrices: Sequence[Scores], truth: Tags) -> Blend:
    """Return the mean with weights by greedy selection with replacement (Caruana et al. 2004, section 2).

    Each round adds the member that lowers the log loss of the mean most. The log loss changes with every score; F2
    changes on few chips.
    """
    counts = _select(matrices, truth)
    return Blend("mean", np.tile(counts[:, np.newaxis], truth.shape[1]), np.zeros((0, truth.shape[1], 0)))


def routed(matrices: Sequence[Scores], truth: Tags) -> Blend:
    """Return the same with weights for each label on its own, since a member may be good at water and bad at haze."""
    columns = [
        _select([matrix[:, [label]] for matrix in matrices], truth[:, [label]]) for label in range(truth.shape[1])
    ]
    return Blend("mean", np.stack(columns, axis=1), np.zeros((0, truth.shape[1], 0)))


def check(matrices: Sequence[Scores], members: int) -> None:
    """Raise an error unless there are as many score matrices as members, all of one shape."""
    if not matrices or len(matrices) != members:
        raise ValueError(
            f"{len(matrices)} score matrices were passed for {members} members; pass one for each member, at least one."
        )
    for place, matrix in enumerate(matrices):
        if matrix.shape != matrices[0].shape:
            raise ValueError(f"Score matrix {place} has shape {matrix.shape}, but the first has {matrices[0].shape}.")


def _select(matrices: Sequence[Scores], truth: Tags) -> Floats:
    """Return the share of each member (members,) in the first round with the least loss."""
    stacked = np.stack(matrices).astype(np.float64)
    total = np.zeros(truth.shape)
    counts, best, least = np.zeros(len(stacked)), np.zeros(len(stacked)), np.inf
    for size in range(1, SELECTION_ROUNDS + 1):
        means = np.clip((total + stacked) / size, MIN_SCORE, 1 - MIN_SCORE)
        losses = -np.log(np.where(truth, means, 1 - means)).mean(axis=(1, 2))
        chosen = int(np.argmin(losses))
        counts[chosen] += 1
        total += stacked[chosen]
        if losses[chosen] < least - 1e-12:
            best, least = counts.copy(), losses[chosen]
    shares: Floats = best / best.sum()
    return shares

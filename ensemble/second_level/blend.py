"""Several members' scores made into one by a weighted mean: of scores, of their logarithms or of their ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags

LEAST = 1e-7  # what a score of 0 is taken for by its logarithm
KNOTS = 65  # of a label's distribution of scores
ROUNDS = 40  # of the greedy selection; a weight is then a multiple of a fortieth
KINDS = ("mean", "geometric", "rank")


@dataclass(frozen=True)
class Blend:
    """A weighted mean of members.

    `weights` (members, labels) sum to 1 in each column. `knots` (members + 1, labels, KNOTS), of the rank mean only,
    are quantiles of each member's scores and, last, of their plain mean, onto which a mean rank is mapped back.
    """

    kind: str
    weights: Floats
    knots: Floats

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """One matrix of several, in the order of the weights."""
        check(matrices, len(self.weights))
        if self.kind == "mean":
            total = sum(share * matrix for share, matrix in zip(self.weights, matrices, strict=True))
        elif self.kind == "geometric":
            logs = [np.log(np.maximum(matrix.astype(np.float64), LEAST)) for matrix in matrices]
            total = np.exp(sum(share * log for share, log in zip(self.weights, logs, strict=True)))
        else:
            total = self._ranked(matrices)
        mixed: Scores = np.clip(total, 0, 1).astype(np.float32)
        return mixed

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
    """Where values lie among a distribution's quantiles, 0 to 1; of several places, the middle."""
    steps = np.linspace(0, 1, len(knots))
    rank: Floats = (np.interp(values, knots, steps) + 1 - np.interp(-values, -knots[::-1], steps)) / 2
    return rank


def mean(matrices: Sequence[Scores]) -> Scores:
    """The plain mean of score matrices.

    Example:
        >>> mean([np.float32([[0.0, 1.0]]), np.float32([[1.0, 1.0]])])
        array([[0.5, 1. ]], dtype=float32)
    """
    check(matrices, len(matrices))
    return equal(matrices).scores(matrices)


def equal(matrices: Sequence[Scores], kind: str = "mean") -> Blend:
    """The mean in which all members weigh the same."""
    shape = (len(matrices), matrices[0].shape[1])
    return Blend(kind, np.full(shape, 1 / len(matrices)), np.zeros((0, shape[1], 0)))


def ranked(matrices: Sequence[Scores]) -> Blend:
    """The mean of ranks among the scores given, mapped back onto the distribution of the plain mean."""
    steps = np.linspace(0, 1, KNOTS)
    plain = mean(matrices)
    knots = [np.quantile(matrix.astype(np.float64), steps, axis=0).T for matrix in [*matrices, plain]]
    return Blend("rank", equal(matrices).weights, np.stack(knots))


def greedy(matrices: Sequence[Scores], truth: Tags) -> Blend:
    """Selection with replacement (Caruana et al. 2004, section 2): again and again the member that helps most.

    What helps is a lower log loss of the mean; it moves with every score, where F2 would see few chips change.
    """
    counts = _select(matrices, truth)
    return Blend("mean", np.tile(counts[:, np.newaxis], truth.shape[1]), np.zeros((0, truth.shape[1], 0)))


def routed(matrices: Sequence[Scores], truth: Tags) -> Blend:
    """The same for each label by itself, so that a member may serve water and be silent about haze."""
    columns = [
        _select([matrix[:, [label]] for matrix in matrices], truth[:, [label]]) for label in range(truth.shape[1])
    ]
    return Blend("mean", np.stack(columns, axis=1), np.zeros((0, truth.shape[1], 0)))


def check(matrices: Sequence[Scores], members: int) -> None:
    """Whether there are as many score matrices as members, all of one shape."""
    if not matrices or len(matrices) != members:
        raise ValueError(f"{len(matrices)} score matrices came for {members} members; pass one each, at least one.")
    for place, matrix in enumerate(matrices):
        if matrix.shape != matrices[0].shape:
            raise ValueError(f"Score matrix {place} has shape {matrix.shape}, but the first has {matrices[0].shape}.")


def _select(matrices: Sequence[Scores], truth: Tags) -> Floats:
    """The share of each member (members,); the first round with the least loss of all is kept."""
    stacked = np.stack(matrices).astype(np.float64)
    total = np.zeros(truth.shape)
    counts, best, least = np.zeros(len(stacked)), np.zeros(len(stacked)), np.inf
    for size in range(1, ROUNDS + 1):
        tried = np.clip((total + stacked) / size, LEAST, 1 - LEAST)
        losses = -np.log(np.where(truth, tried, 1 - tried)).mean(axis=(1, 2))
        chosen = int(np.argmin(losses))
        counts[chosen] += 1
        total += stacked[chosen]
        if losses[chosen] < least - 1e-12:
            best, least = counts.copy(), losses[chosen]
    shares: Floats = best / best.sum()
    return shares

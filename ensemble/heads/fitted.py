"""Fitted heads: vectors to scores, and their files.

Numpy alone reads and runs all but the tree heads; what fits them is in `ensemble.heads`.

    head.npz    a linear head, or neighbours
    head.json   trees
"""

import io
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags, Vectors
from features.networks.openvino_runtime import OutputLayer

HEAD_FILES = ("head.npz", "head.json")
TEMPERATURE = 0.07  # of the neighbours' weights (Wu et al. 2018, section 3.4)
BLOCK = 2048  # chips scored at a time, so that float64 copies stay small


class Head(Protocol):
    """Anything that scores vectors; frozen, and with a file of its own."""

    def scores(self, vectors: Vectors) -> Scores:
        """Scores (chips, labels) in [0, 1]."""

    def pack(self) -> tuple[str, bytes]:
        """The name of its file, one of `FILES`, and the content, the same bytes each time."""


@dataclass(frozen=True)
class LinearHead:
    """sigmoid(((vectors - mean) / spread) @ weights + bias)."""

    mean: NDArray[np.float32]  # (dim,)
    spread: NDArray[np.float32]  # (dim,)
    weights: NDArray[np.float32]  # (dim, labels)
    bias: NDArray[np.float32]  # (labels,)

    def scores(self, vectors: Vectors) -> Scores:
        """Summed in float64: a chip's score does not depend on the chips scored beside it."""
        check_vectors(vectors, len(self.mean))
        scores = np.empty((len(vectors), len(self.bias)), np.float32)
        weights = self.weights.astype(np.float64)
        for first in range(0, len(vectors), BLOCK):
            block = standardise(vectors[first : first + BLOCK], self.mean, self.spread)
            scores[first : first + BLOCK] = sigmoid(block @ weights + self.bias)
        return scores

    def layer(self) -> OutputLayer:
        """The head as the last layer of its backbone's network."""
        return OutputLayer(self.mean, self.spread, self.weights, self.bias)

    def pack(self) -> tuple[str, bytes]:
        """`head.npz`."""
        return HEAD_FILES[0], _npz("linear", vars(self))


@dataclass(frozen=True)
class NeighboursHead:
    """The rate of each label among the `k` chips of least cosine distance, with the label's rate as one more of them.

    A neighbour weighs exp((cosine - greatest cosine) / 0.07).
    """

    mean: NDArray[np.float32]  # (dim,)
    spread: NDArray[np.float32]  # (dim,)
    known: Vectors  # (known chips, dim), standardised and of length 1 (or 0)
    truth: Tags  # (known chips, labels)
    k: int

    def scores(self, vectors: Vectors) -> Scores:
        """A label that all or none of the known chips carry keeps its rate."""
        check_vectors(vectors, len(self.mean))
        rates = smoothed_rates(self.truth)
        truth = self.truth.astype(np.float32)
        scores = np.empty((len(vectors), len(rates)), np.float32)
        for first in range(0, len(vectors), BLOCK):
            units = unit_length(standardise(vectors[first : first + BLOCK], self.mean, self.spread))
            cosines = units @ self.known.T
            nearest = np.argpartition(-cosines, self.k - 1, axis=1)[:, : self.k]
            found = np.take_along_axis(cosines, nearest, axis=1)
            weights = np.exp((found - found.max(axis=1, keepdims=True)) / TEMPERATURE)
            carried = np.einsum("ck,ckl->cl", weights, truth[nearest])
            scores[first : first + BLOCK] = (carried + rates) / (weights.sum(axis=1, keepdims=True) + 1)
        return np.where(varying_labels(self.truth), scores, rates).astype(np.float32)

    def pack(self) -> tuple[str, bytes]:
        """`head.npz`."""
        return HEAD_FILES[0], _npz("neighbours", vars(self))


def _npz(kind: str, parts: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, kind=np.array(kind), **parts)  # stored, with the zip epoch for a time: the same bytes always
    return buffer.getvalue()


def check_examples(vectors: Vectors, truth: Tags) -> None:
    """Whether a head can be fitted on this."""
    if vectors.ndim != 2 or truth.ndim != 2 or len(vectors) != len(truth) or not vectors.size or not truth.size:
        raise ValueError(
            f"vectors are {vectors.shape} and truth is {truth.shape}; needed (chips, dim), (chips, labels)."
        )
    if truth.dtype != np.bool_:
        raise TypeError(f"truth is {truth.dtype}; bool is needed.")
    check_vectors(vectors, vectors.shape[1])


def check_vectors(vectors: Vectors, dim: int) -> None:
    """Whether a head for `dim` numbers can score this."""
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors are {vectors.shape}, but the head takes (chips, {dim}); use its own backbone's.")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(vectors)} vectors are not finite (first: row {bad[0]}); extract them anew."
        )


def standardise(vectors: Vectors, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> Floats:
    """`(vectors - mean) / spread` in float64."""
    return (vectors.astype(np.float64) - mean) / spread


def unit_length(vectors: Floats) -> Vectors:
    """Vectors over their length; 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-values))."""
    result: Floats = 1 / (1 + np.exp(-np.clip(values, -80, 80)))  # exp(-80) is still a float32
    return result


def smoothed_rates(truth: Tags) -> Floats:
    """(labels,) the share of chips that carry each label, as if half of one more did; never 0 or 1."""
    rates: Floats = (truth.sum(axis=0) + 0.5) / (len(truth) + 1)
    return rates


def varying_labels(truth: Tags) -> Tags:
    """(labels,) whether some chips carry the label and some do not."""
    carriers = truth.sum(axis=0)
    some: Tags = (carriers > 0) & (carriers < len(truth))
    return some

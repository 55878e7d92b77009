"""Fitted heads: vectors to scores, and the content of their files.

numpy alone runs all of them but the trees. The modules beside this one fit them.

    head.npz    a linear head, or nearest neighbours
    head.json   trees
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Floats, Scores, Tags, Vectors
from features.networks.openvino_runtime import OutputLayer

HEAD_FILES = ("head.npz", "head.json")
NEIGHBOUR_TEMPERATURE = 0.07  # of the neighbours' weights (Wu et al. 2018, section 3.4)
CHIPS_PER_BLOCK = 2048  # scored at a time, so that float64 copies stay small
MAX_EXPONENT = 80  # for which exp(-x) is still a normal float32


class Head(Protocol):
    """A frozen classifier on vectors, with a file of its own."""

    def scores(self, vectors: Vectors) -> Scores:
        """Return scores (chips, labels) in [0, 1]."""

    def pack(self) -> tuple[str, bytes]:
        """Return the name of the head's file, one of `HEAD_FILES`, and its content; always the same bytes."""


@dataclass(frozen=True)
class LinearHead:
    """sigmoid(((vectors - mean) / spread) @ weights + bias)."""

    mean: NDArray[np.float32]  # (dim,)
    spread: NDArray[np.float32]  # (dim,)
    weights: NDArray[np.float32]  # (dim, labels)
    bias: NDArray[np.float32]  # (labels,)

    def scores(self, vectors: Vectors) -> Scores:
        """Return scores summed in float64, so that a chip's score does not depend on the chips scored beside it."""
        check_vectors(vectors, len(self.mean))
        scores = np.empty((len(vectors), len(self.bias)), np.float32)
        weights = self.weights.astype(np.float64)
        for first in range(0, len(vectors), CHIPS_PER_BLOCK):
            block = standardise(vectors[first : first + CHIPS_PER_BLOCK], self.mean, self.spread)
            scores[first : first + CHIPS_PER_BLOCK] = sigmoid(block @ weights + self.bias)
        return scores

    def layer(self) -> OutputLayer:
        """Return the head as the last layer of its backbone's network."""
        return OutputLayer(self.mean, self.spread, self.weights, self.bias)

    def pack(self) -> tuple[str, bytes]:
        """Return the name and content of `head.npz`."""
        return HEAD_FILES[0], _npz("linear", vars(self))


@dataclass(frozen=True)
class NeighboursHead:
    """The rate of each label among the `k` stored chips of greatest cosine similarity.

    A neighbour weighs exp((cosine - greatest cosine) / 0.07); the label's rate counts as one neighbour more. The names
    of the fields are the names in the file.
    """

    mean: NDArray[np.float32]  # (dim,)
    spread: NDArray[np.float32]  # (dim,)
    known: Vectors  # (stored chips, dim), standardised and of length 1 (or 0)
    truth: Tags  # (stored chips, labels)
    k: int

    def scores(self, vectors: Vectors) -> Scores:
        """Return scores; a label that all or none of the stored chips carry keeps its rate."""
        check_vectors(vectors, len(self.mean))
        rates = smoothed_rates(self.truth)
        truth = self.truth.astype(np.float32)
        scores = np.empty((len(vectors), len(rates)), np.float32)
        for first in range(0, len(vectors), CHIPS_PER_BLOCK):
            units = unit_length(standardise(vectors[first : first + CHIPS_PER_BLOCK], self.mean, self.spread))
            cosines = units @ self.known.T
            nearest = np.argpartition(-cosines, self.k - 1, axis=1)[:, : self.k]
            similarities = np.take_along_axis(cosines, nearest, axis=1)
            weights = np.exp((similarities - similarities.max(axis=1, keepdims=True)) / NEIGHBOUR_TEMPERATURE)
            votes = np.einsum("ck,ckl->cl", weights, truth[nearest])
            scores[first : first + CHIPS_PER_BLOCK] = (votes + rates) / (weights.sum(axis=1, keepdims=True) + 1)
        return np.where(varying_labels(self.truth), scores, rates).astype(np.float32)

    def pack(self) -> tuple[str, bytes]:
        """Return the name and content of `head.npz`."""
        return HEAD_FILES[0], _npz("neighbours", vars(self))


def _npz(kind: str, parts: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, kind=np.array(kind), **parts)  # stored with the zip format's first date: always the same bytes
    return buffer.getvalue()


@contextmanager
def refuse_damage(name: str) -> Iterator[None]:
    """Turn every exception of parsing a head file into one ValueError with the file's name and the reason.

    LookupError is a missing part, TypeError and ValueError a part of another type or shape, and the others come from
    the NPZ, JSON and XGBoost parsers (XGBoostError is a ValueError).
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ValueError(
            f"{name} is damaged or not a head file ({type(error).__name__}: {reason}); train the model again."
        ) from error


def check_examples(vectors: Vectors, truth: Tags) -> None:
    """Raise an error unless a head can be fitted on these vectors and their ground truth."""
    if vectors.ndim != 2 or truth.ndim != 2 or len(vectors) != len(truth) or not vectors.size or not truth.size:
        raise ValueError(
            f"vectors have shape {vectors.shape} and truth {truth.shape}; expected (chips, dim) and (chips, labels)."
        )
    if truth.dtype != np.bool_:
        raise TypeError(f"truth is {truth.dtype}; it must be bool.")
    check_vectors(vectors, vectors.shape[1])


def check_vectors(vectors: Vectors, dim: int) -> None:
    """Raise an error unless a head for vectors of length `dim` can score these."""
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(
            f"vectors have shape {vectors.shape}, but the head expects (chips, {dim}); pass vectors of its backbone."
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(vectors)} vectors are not finite (first: row {bad[0]}); extract the vectors again."
        )


def standardise(vectors: Vectors, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> Floats:
    """Return `(vectors - mean) / spread` in float64."""
    return (vectors.astype(np.float64) - mean) / spread


def unit_length(vectors: Floats) -> Vectors:
    """Return vectors over their length; 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-values))."""
    result: Floats = 1 / (1 + np.exp(-np.clip(values, -MAX_EXPONENT, MAX_EXPONENT)))
    return result


def smoothed_rates(truth: Tags) -> Floats:
    """Return the share of chips that carry each label, (labels,), as if half of one chip more did; never 0 or 1."""
    rates: Floats = (truth.sum(axis=0) + 0.5) / (len(truth) + 1)
    return rates


def rate_log_odds(rates: Floats) -> Floats:
    """Return the log odds of rates strictly between 0 and 1.

    Scores can be 0 or 1: `decisions.calibrate.log_odds` clips them.
    """
    odds: Floats = np.log(rates / (1 - rates))
    return odds


def varying_labels(truth: Tags) -> NDArray[np.bool_]:
    """Return whether some chips carry the label and some do not, (labels,)."""
    carriers = truth.sum(axis=0)
    varying: NDArray[np.bool_] = (carriers > 0) & (carriers < len(truth))
    return varying

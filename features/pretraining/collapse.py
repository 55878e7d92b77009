"""Measure whether vectors have collapsed: whether a network gives nearly the same vector for every chip."""

from typing import Any

from keras import ops

COLLAPSED = 0.1  # below this spread, vectors of different chips are alike
PATIENCE = 3  # rounds of training in a row; single ones may have such a spread at the start


class CollapseError(ArithmeticError):
    """A training is stopped because the vectors of all chips have become alike."""


def spread(vectors: Any) -> Any:
    """Return the standard deviation of normalised vectors (chips, dim) over chips, times the root of dim.

    It is 0 if all vectors have one direction, and 1 if they are spread evenly (Chen and He 2021, section 4.1).
    """
    vectors = normalise(vectors)
    return ops.mean(ops.std(vectors, axis=0)) * float(vectors.shape[-1]) ** 0.5


def normalise(vectors: Any) -> Any:
    """Return vectors (..., dim) of length 1, in float32."""
    return ops.normalize(ops.cast(vectors, "float32"), axis=-1, order=2)

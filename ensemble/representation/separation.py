"""Class separation: how tightly chips of a class lie together, against all chips.

By Kornblith, Chen, Lee and Norouzi 2021, "Why Do Better Loss Functions Lead to Less Transferable Features?", section 4.
"""

import numpy as np

from ensemble.arrays import Floats, Tags, Vectors


def class_separation(vectors: Vectors, classes: Tags) -> float:
    """Return R^2 = 1 - (mean cosine distance within classes) / (mean cosine distance), each class counting alike.

    1 means that each class is one direction and classes differ; 0, that chips of a class are no nearer to one another.

    Args:
        vectors: (chips, dim), of which none is zero.
        classes: (chips, classes), each chip in exactly one of two or more classes that all have chips.

    Raises:
        ValueError: a class has no chip, or a vector is zero.
    """
    return _separation(_units(vectors), classes)


def tag_separations(vectors: Vectors, truth: Tags) -> Floats:
    """Return the separation (labels,) of chips with a tag from those without; NaN where all chips or none carry it."""
    units, separations = _units(vectors), np.full(truth.shape[1], np.nan)
    for column, tag in enumerate(truth.T):
        if 0 < tag.sum() < len(tag):
            separations[column] = _separation(units, np.stack([tag, ~tag], axis=1))
    return separations


def _units(vectors: Vectors) -> Floats:
    """Return the vectors (chips, dim) with length 1; raise ValueError if one is zero."""
    lengths = np.linalg.norm(vectors, axis=1).astype(np.float64)
    if not lengths.all():
        raise ValueError(f"{(lengths == 0).sum()} vectors are zero and have no direction; leave these chips out.")
    units: Floats = vectors / lengths[:, np.newaxis]
    return units


def _separation(units: Floats, classes: Tags) -> float:
    counts = classes.sum(axis=0)
    if len(counts) < 2 or not counts.all():
        raise ValueError("separation needs two or more classes with at least one chip each.")

    # The mean cosine between two classes is the product of their mean directions.
    means = classes.T.astype(np.float64) @ units / counts[:, np.newaxis]
    cosines: Floats = means @ means.T
    overall = 1 - cosines.mean()
    return float(1 - (1 - np.diag(cosines).mean()) / overall) if overall > 0 else np.nan

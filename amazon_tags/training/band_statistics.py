"""The mean and deviation of each band over the training chips, by which a network of many bands normalises."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from features.images.listing import ChipSource
from features.images.spec import ChipSpec
from features.networks import extract


def normalised_spec(spec: ChipSpec, paths: Sequence[ChipSource], *, jobs: int) -> ChipSpec:
    """Return the spec with the statistics of chips, if it has many bands; others have fixed scales.

    Each chip counts alike, also the two of a pair, and of its pixels those at regular places. No tags are used, so that
    all chips count in every fold.

    Raises:
        ChipError: a chip cannot be used.
    """
    if not spec.has_many_bands():
        return spec
    stream = extract.stream_outputs(paths, [], spec, jobs=jobs)
    values = np.concatenate([outputs.band_statistics for outputs in stream]).astype(np.float64)
    means, deviations = (half.reshape(-1, len(spec.bands)) for half in np.split(values, 2, axis=1))  # a row a chip
    mean = means.mean(axis=0)
    deviation = np.sqrt((deviations**2 + means**2).mean(axis=0) - mean**2)
    pairs = zip(mean, deviation, strict=True)
    return replace(spec, statistics=tuple((round(float(a), 3), round(float(b), 3)) for a, b in pairs))

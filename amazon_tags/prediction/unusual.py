"""Mark chips whose colours are far from those of the model's training chips; their tags deserve a look."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.predict import TaggedChips
from ensemble.metrics.shift import neighbourhood
from features.images.remarks import Remark

MIN_TRAINING_CHIPS = 50  # fewer leave gaps in which a chip is far from all, though nothing is unusual about it
FAR = Remark("far from the training chips' colours, so the tags may be wrong")


def mark_unusual(tagged: Iterable[TaggedChips], training: TrainingRecord | None) -> Iterator[TaggedChips]:
    """Yield the same parts, with a remark on each usable chip whose bands' means and deviations are unusual."""
    if training is None or len(training.band_statistics) < MIN_TRAINING_CHIPS:
        yield from tagged
        return

    known = neighbourhood(training.band_statistics.astype(np.float64))
    for part in tagged:
        rows = np.flatnonzero(part.usable)
        far = set(rows[known.far(part.band_statistics[rows].astype(np.float64))].tolist())
        remarks = [(*remarks, FAR) if row in far else remarks for row, remarks in enumerate(part.remarks)]
        yield replace(part, remarks=remarks)

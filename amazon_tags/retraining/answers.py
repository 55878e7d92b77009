"""What a model answers to the labelled chips of a job, each chip by scores that were fitted without it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model import training_record
from amazon_tags.model.bundle import Bundle, Verified
from amazon_tags.prediction.predict import score_chips
from amazon_tags.retraining.job_data import ChipMask, Rows
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Floats, Scores, Tags
from ensemble.metrics import score
from features.arrays import ChipBatch
from features.images import chips

CONFIDENCE = 0.95  # probability, by bootstrap over chips, above which one F2 counts as worse than another


@dataclass(frozen=True)
class ModelAnswers:
    """An opened model and its answers to the labelled chips.

    Attributes:
        model: the model, loaded once in each precision.
        scores: (chips, labels).
        tags: (chips, labels).
        out_of_fold: (chips,) the model's training chips: their scores and tags are out of fold. The other chips'
            answers are those of the packaged model.
        band_statistics: (chips, 2 * bands) mean and deviation of each band.
    """

    model: Verified
    scores: Scores
    tags: Tags
    out_of_fold: ChipMask
    band_statistics: NDArray[np.float32]


def answer_chips(model: Verified, data: TrainingData, jobs: int) -> ModelAnswers:
    """Return a model's answers: out of fold for its training chips, else by the packaged model in f32.

    Raises:
        ValueError: the model has other labels than the data, or does not hold its training record.
    """
    bundle = model.bundle
    _refuse_other_labels(bundle, data)
    record = training_record.read_required(bundle.folder)

    places = record.places()
    out_of_fold = np.array([digest in places for digest in data.hashes], np.bool_)
    recorded = [places[digest] for digest in data.hashes if digest in places]
    unseen = np.flatnonzero(~out_of_fold)

    scores = np.zeros(data.truth.shape, np.float32)
    band_statistics = np.zeros((len(scores), 2 * len(bundle.spec.bands)), np.float32)
    scores[out_of_fold], band_statistics[out_of_fold] = record.scores[recorded], record.band_statistics[recorded]
    if len(unseen):
        parts = list(score_chips([data.paths[int(row)] for row in unseen], bundle, jobs=jobs))
        scores[unseen] = np.concatenate([part.scores for part in parts])
        band_statistics[unseen] = np.concatenate([part.band_statistics for part in parts])

    tags = bundle.decide(scores)
    if record.tags is not None:
        tags[out_of_fold] = record.tags[recorded]
    return ModelAnswers(model, scores, tags, out_of_fold, band_statistics)


def packaged_f2(model: Bundle, data: TrainingData, rows: Rows, *, jobs: int) -> Floats:
    """Return F2 (rows,) of a packaged model's tags on some of the chips."""
    parts = score_chips([data.paths[row] for row in rows], model, jobs=jobs)
    return score.per_chip(data.truth[rows], model.decide(np.concatenate([part.scores for part in parts])))


def reversed_bands_f2(model: Bundle, data: TrainingData, rows: Rows) -> tuple[Floats, Floats]:
    """Return F2 (rows,) of a packaged model on some of the chips as they are, and with their bands reversed."""
    pixels: ChipBatch = np.array([chips.load(data.paths[row], model.spec) for row in rows], model.spec.dtype)
    as_is, in_reverse = (
        model.decide(model.scores([network(batch)[np.newaxis] for network in model.networks]))
        for batch in (pixels, pixels[..., ::-1])
    )
    truth = data.truth[rows]
    return score.per_chip(truth, as_is), score.per_chip(truth, in_reverse)


def _refuse_other_labels(bundle: Bundle, data: TrainingData) -> None:
    model_labels, job_labels = bundle.space.names, data.space.names
    if model_labels != job_labels:
        raise ValueError(
            f"{bundle.folder} has {len(model_labels)} labels ({', '.join(model_labels)}), but the job has "
            f"{len(job_labels)} ({', '.join(job_labels)}); give a job with other labels another registry."
        )

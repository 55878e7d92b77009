"""Calibrate the scores of a model, so that they can be read as probabilities."""

from amazon_tags import progress
from amazon_tags.model import decision_file, training_record
from amazon_tags.model.bundle import Bundle
from ensemble.decisions import calibrate
from ensemble.decisions.calibrate import Calibration
from ensemble.decisions.decision import flat_decision
from ensemble.decisions.tuning import TuningProblem, best_calibration

MIN_HELD_OUT_CHIPS = 30  # fewer say little about the frequency of any tag


def choose_calibration(model: Bundle) -> Calibration:
    """Return the map from a model's scores to probabilities, and report which one it is.

    It is that of the model's decision or, where that has none, the one with the least log loss on the model's held-out
    training chips, which may be to leave the scores as they are.

    Raises:
        BundleError: The record of the held-out chips is damaged.
    """
    if model.decision.calibration.kind != "none":
        progress.say(f"scores are calibrated as the model's decision does ({model.decision.calibration.kind})")
        return model.decision.calibration

    record = training_record.read(model.folder)
    if record is None or len(record.scores) < MIN_HELD_OUT_CHIPS:
        progress.say(
            f"the model keeps {len(record.scores) if record else 'no'} held-out chips to calibrate its scores on, so "
            "that they are read as probabilities as they are"
        )
        return calibrate.unchanged(len(model.space.names))

    start = flat_decision(len(model.space.names), rules=decision_file.rules(model.space))
    calibration = best_calibration(TuningProblem(record.scores, record.truth, start, {}))
    what = "as they are" if calibration.kind == "none" else f"by {calibration.kind}"
    progress.say(
        f"scores are read as probabilities {what}, which has the least log loss on the model's {len(record.scores):,} "
        "held-out chips"
    )
    return calibration

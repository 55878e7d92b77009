"""Checks of a candidate before it may replace the current model.

`check_bundle` and `check_packaged` look at the candidate alone, `compare_models` compares it with the current model;
the F2 margin of the job is applied there.
"""

import math
import time
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle, engine, training_record
from amazon_tags.model.bundle import Bundle, BundleError, Verified
from amazon_tags.retraining import answers
from amazon_tags.retraining.answers import CONFIDENCE, ModelAnswers
from amazon_tags.retraining.checks import Check
from amazon_tags.retraining.job import GateLimits
from amazon_tags.retraining.job_data import Rows
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Floats, Tags
from ensemble.metrics import score, shift
from features.networks import openvino_runtime

MAX_GOLDEN_DISTANCE = 1e-5  # of a golden chip's score in f32, on the machine that trained the model
MIN_WITHHELD_CHIPS = 30  # for a comparison on withheld chips
STANDARD_ERRORS = 3.0  # that a difference must exceed to count
MIN_PACKAGED_CHIPS = 500  # training chips, if there are so many, that the packaged model is scored on
MAX_REVERSED_CHIPS = 200  # scored with bands reversed; more cost time and decide no better
FREQUENT_TAG_RATE = 0.2  # a first model is compared with giving each chip the tags of more chips than this
TIMED_BATCHES, TIMING_ATTEMPTS = 15, 3  # another process may slow one attempt; a slow model is slow in each


def check_bundle(folder: Path, trained: TrainingData, *, jobs: int = 1) -> tuple[list[Check], Verified | None]:
    """Check a candidate's files, golden chips and training data; return the opened candidate unless it is damaged."""
    try:
        model = bundle.verify(folder, jobs=jobs)
    except BundleError as error:
        return [Check("bundle", "", "", "verified", False, str(error))], None

    distance = model.bundle.golden_distance
    data = model.bundle.manifest.data
    chips = f"{data.chips if data else 0} chips"
    record = training_record.read(folder)
    same_chips = record is not None and record.hashes == trained.hashes and bool((record.truth == trained.truth).all())
    checks = [
        Check(
            "golden chips",
            "",
            f"{distance:.1e}",
            f"{MAX_GOLDEN_DISTANCE:.0e}",
            distance <= MAX_GOLDEN_DISTANCE,
            f"the packaged model scores its golden chips {distance:.1e} away from their scores at training time "
            f"(limit {MAX_GOLDEN_DISTANCE:.0e})",
        ),
        Check(
            "data",
            f"{len(trained.paths)} chips",
            chips,
            "this run's",
            data is not None and data.fingerprint == trained.fingerprint and same_chips,
            f"it was trained on other chips or labels ({chips}) than this run's ({len(trained.paths)})",
        ),
    ]
    return checks, model


def check_packaged(data: TrainingData, candidate: ModelAnswers, jobs: int) -> list[Check]:
    """Check that the packaged model is as good on its training chips as its folds are without training on them.

    If it is worse, it seems to get different bands or scaling than the folds did, or the folds leaked. If its decision
    is worse on the out-of-fold scores, it is not the one that was fitted. Every precision that `--precision auto` may
    choose is checked.
    """
    model = candidate.model.bundle
    out_of_fold = np.flatnonzero(candidate.out_of_fold)
    rows = out_of_fold[:: max(1, len(out_of_fold) // MIN_PACKAGED_CHIPS)]
    precisions = engine.affordable_precisions(model.manifest)
    return [
        *(_check_precision(data, candidate, rows, precision, jobs) for precision in precisions),
        _check_band_order(data, model, rows[:MAX_REVERSED_CHIPS]),
        _check_decision(data, model, candidate),
    ]


def compare_models(
    data: TrainingData, champion: ModelAnswers | None, candidate: ModelAnswers, limits: GateLimits
) -> list[Check]:
    """Compare a candidate with the current model or, if there is none, with giving every chip the frequent tags."""
    folds = _check_folds(data.truth, candidate)
    if champion is None:
        return [folds, _compare_with_frequent_tags(data.truth, candidate)]

    gain = score.per_chip(data.truth, candidate.tags) - score.per_chip(data.truth, champion.tags)
    return [
        folds,
        _compare_f2(data.truth, champion, candidate, limits),
        _compare_withheld(gain[~candidate.out_of_fold], limits),
        *_compare_recalls(data, champion, candidate, limits),
        _compare_rates(data, champion, candidate, limits),
        *_compare_costs(champion.model.bundle, candidate.model.bundle, limits),
    ]


def _check_precision(data: TrainingData, candidate: ModelAnswers, rows: Rows, precision: str, jobs: int) -> Check:
    """Compare the packaged model in one precision with the folds, which are the measure in fewer bits too.

    Fewer bits lose some of what the packaged model memorised of its training chips; compared with itself in f32 it
    would fail for that.
    """
    packaged = answers.packaged_f2(candidate.model.bundles[precision], data, rows, jobs=jobs)
    folds = score.per_chip(data.truth[rows], candidate.tags[rows])
    worse = score.probability_below(packaged - folds)
    return Check(
        f"packaged in {precision}",
        f"folds {folds.mean():.4f}",
        f"packaged {packaged.mean():.4f}",
        f"worse < {CONFIDENCE}",
        worse < CONFIDENCE,
        f"on its training chips the packaged model reaches F2 {packaged.mean():.4f} in {precision}, but its folds "
        f"reach {folds.mean():.4f} without training on them: the packaged model seems to get different bands or "
        "scaling, or the folds leaked",
    )


def _check_band_order(data: TrainingData, model: Bundle, rows: Rows) -> Check:
    as_is, in_reverse = answers.reversed_bands_f2(model, data, rows)
    exchanged = score.probability_below(as_is - in_reverse) > CONFIDENCE
    return Check(
        "bands",
        f"in reverse {in_reverse.mean():.4f}",
        f"as they are {as_is.mean():.4f}",
        "better as they are",
        not exchanged,
        f"it seems to exchange red and blue: the packaged model reaches F2 {in_reverse.mean():.4f} on chips with their "
        f"bands reversed, but {as_is.mean():.4f} on the chips as they are",
    )


def _check_decision(data: TrainingData, model: Bundle, candidate: ModelAnswers) -> Check:
    rows = candidate.out_of_fold
    truth = data.truth[rows]
    folds = score.per_chip(truth, candidate.tags[rows])
    packaged = score.per_chip(truth, model.decide(candidate.scores[rows]))
    worse = score.probability_below(packaged - folds)
    return Check(
        "decision",
        f"folds {folds.mean():.4f}",
        f"packaged {packaged.mean():.4f}",
        f"worse < {CONFIDENCE}",
        worse < CONFIDENCE,
        f"on the out-of-fold scores the packaged decision, fitted on them, reaches F2 {packaged.mean():.4f}, but the "
        f"folds' decisions, fitted without them, {folds.mean():.4f}: it is not the decision that was fitted",
    )


def _check_folds(truth: Tags, candidate: ModelAnswers) -> Check:
    """Check that the packaged model is as good on withheld chips as its folds are: leaked folds are better."""
    f2 = score.per_chip(truth, candidate.tags)
    folds, withheld = f2[candidate.out_of_fold], f2[~candidate.out_of_fold]
    if min(len(folds), len(withheld)) < MIN_WITHHELD_CHIPS:
        return Check("folds", "", "", f"{MIN_WITHHELD_CHIPS} chips withheld", True)
    limit = STANDARD_ERRORS * math.sqrt(folds.var() / len(folds) + withheld.var() / len(withheld))
    return Check(
        "folds",
        f"out of fold {folds.mean():.4f}",
        f"withheld {withheld.mean():.4f}",
        f"{limit:.4f} apart",
        bool(folds.mean() - withheld.mean() <= limit),
        f"its F2 out of fold is {folds.mean():.4f}, but on {len(withheld)} withheld chips the packaged model reaches "
        f"{withheld.mean():.4f} (limit {limit:.4f} less): the folds leaked, or the packaged model is wrong",
    )


def _compare_with_frequent_tags(truth: Tags, candidate: ModelAnswers) -> Check:
    frequent = np.tile(truth.mean(axis=0) > FREQUENT_TAG_RATE, (len(truth), 1))
    ours, base = score.per_chip(truth, candidate.tags), score.per_chip(truth, frequent)
    return Check(
        "F2",
        f"{base.mean():.4f}",
        f"{ours.mean():.4f}",
        "over the same tags for all",
        score.probability_below(base - ours) > CONFIDENCE,
        f"its F2 of {ours.mean():.4f} is not clearly above {base.mean():.4f}, that of the same tags for all chips",
    )


def _compare_f2(truth: Tags, champion: ModelAnswers, candidate: ModelAnswers, limits: GateLimits) -> Check:
    """Apply the job's `margin` and `worse`."""
    base, ours = score.per_chip(truth, champion.tags), score.per_chip(truth, candidate.tags)
    worse, gap = score.probability_below(ours - base), float((ours - base).mean())
    return Check(
        "F2",
        f"{base.mean():.4f}",
        f"{ours.mean():.4f}",
        f"-{limits.margin}, worse < {limits.worse}",
        gap >= -limits.margin and worse < limits.worse,
        f"its F2 differs by {gap:+.4f} from the current model's (margin -{limits.margin}), and it is worse with a "
        f"probability of {worse:.2f} (limit {limits.worse})",
    )


def _compare_withheld(gain: Floats, limits: GateLimits) -> Check:
    """Compare the packaged models on the withheld chips: a mistake made after the folds shows there."""
    if len(gain) < MIN_WITHHELD_CHIPS:
        return Check("withheld", "", "", f"{MIN_WITHHELD_CHIPS} chips withheld", True)
    worse = score.probability_below(gain, -limits.margin)
    return Check(
        "withheld",
        "",
        f"{gain.mean():+.4f}",
        f"worse < {CONFIDENCE}",
        worse < CONFIDENCE,
        f"on {len(gain)} chips that no model was trained on, its F2 as packaged differs by {gain.mean():+.4f} from the "
        "current model's",
    )


def _compare_recalls(
    data: TrainingData, champion: ModelAnswers, candidate: ModelAnswers, limits: GateLimits
) -> list[Check]:
    """Return a failed check for each tag whose recall fell too far, or else a passed one for the worst tag."""
    drops, certain_drops = score.recall_drops(data.truth, champion.tags, candidate.tags)
    before, after = (score.per_label(data.truth, model.tags).recall for model in (champion, candidate))
    failed = [column for column in range(len(drops)) if drops[column] > limits.recall and certain_drops[column] > 0]
    return [
        Check(
            f"recall of {data.space.names[column]}",
            f"{before[column]:.3f}",
            f"{after[column]:.3f}",
            f"-{limits.recall}",
            not failed,
            f"the recall of {data.space.names[column]} falls from {before[column]:.3f} to {after[column]:.3f}",
        )
        for column in failed or [int(np.argmax(drops))]
    ]


def _compare_rates(data: TrainingData, champion: ModelAnswers, candidate: ModelAnswers, limits: GateLimits) -> Check:
    """Check the tag whose rate moved most."""
    indices = shift.stability_index(champion.tags, candidate.tags)
    worst = int(np.argmax(indices))
    before, after = (model.tags[:, worst].mean() for model in (champion, candidate))
    name = data.space.names[worst]
    return Check(
        f"rate of {name}",
        f"{before:.3f}",
        f"{after:.3f}",
        f"index {limits.stability}",
        bool(indices[worst] <= limits.stability),
        f"it gives {name} to {after:.1%} of the chips, the current model to {before:.1%} (stability index "
        f"{indices[worst]:.2f}, limit {limits.stability})",
    )


def _compare_costs(champion: Bundle, candidate: Bundle, limits: GateLimits) -> list[Check]:
    sizes = [_members_mib(model.folder) for model in (champion, candidate)]
    usual, ratio = _time_models(champion, candidate, limits.growth)
    costs = (("size", sizes, "MiB"), ("time a chip", [usual, ratio * usual], "ms"))
    return [
        Check(
            name,
            f"{before:.2f} {unit}",
            f"{after:.2f} {unit}",
            f"x {limits.growth}",
            after <= limits.growth * before,
            f"its {name} is {after:.2f} {unit}, {after / before:.2f} times the current model's (limit {limits.growth})",
        )
        for name, (before, after), unit in costs
    ]


def _members_mib(folder: Path) -> float:
    """Return the size of a bundle's members; its other files grow with the data."""
    sizes = {name: entry.size for name, entry in bundle.read_manifest(folder).files.items()}
    return sum(size for name, size in sizes.items() if name.startswith("members/")) / 2**20


def _time_models(champion: Bundle, candidate: Bundle, growth: float) -> tuple[float, float]:
    """Return the champion's milliseconds a chip, and the candidate's time as a multiple of it."""
    for _ in range(TIMING_ATTEMPTS):
        times = np.array([[_milliseconds(model) for model in (champion, candidate)] for _ in range(TIMED_BATCHES)])
        ratio = float(np.median(times[:, 1] / times[:, 0]))
        if ratio <= growth:
            break
    return float(times[:, 0].min()), ratio


def _milliseconds(model: Bundle) -> float:
    start = time.perf_counter()
    for network in model.networks:
        network(np.zeros((openvino_runtime.BATCH, *network.chip_shape), network.dtype))
    return 1000 * (time.perf_counter() - start) / openvino_runtime.BATCH

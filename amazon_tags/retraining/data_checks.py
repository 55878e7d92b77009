"""Checks of labelled chips before anything is trained on them.

Tables are checked against the label space's rules and for contradictions. Where there is a current model, it is scored
on the new chips first: if it was good on the old chips and fails on the new ones, the new labels or pixels are wrong.
"""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.retraining import answers
from amazon_tags.retraining.answers import ModelAnswers
from amazon_tags.retraining.checks import Check
from amazon_tags.retraining.job import GateLimits
from amazon_tags.retraining.job_data import ChipMask, JobData
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Tags
from ensemble.metrics import score, shift

MAX_BREACHES_SHARE = 0.05  # of the chips; the competition's own table breaks some rules
MAX_CONTRADICTIONS_SHARE = 0.01  # of the chips
MIN_COMPARED_CHIPS = 5  # old chips, and new chips, for a comparison
MIN_CARRIERS_OF_LOST_TAG = 3  # chips; corrections may well remove a tag from fewer
VANISHED_TAG_PROBABILITY = 1e-3  # a tag is missing if chance alone would lose it less often
STANDARD_ERRORS = 3.0  # that a difference must exceed to count
MIN_REVERSED_CHIPS, MAX_REVERSED_CHIPS = 20, 200  # scored with bands reversed; fewer decide nothing, more cost time
MAX_COLOUR_SHIFT = 1.0  # standard deviations of the old chips' colours, beside what chance explains

ChipDigests = NDArray[np.uint64]  # (chips,) one number for a chip's content with its tags


def check_rules(job_data: JobData) -> list[Check]:
    """Check how many chips break rules or contradict others."""
    summary, count = job_data.summary, job_data.summary.chips
    return [
        Check(
            name,
            "",
            f"{value} of {count}",
            f"{limit:.0%}",
            value <= limit * count,
            f"{value} of {count} chips {what}",
        )
        for name, value, limit, what in (
            (
                "breaches",
                summary.breaches,
                MAX_BREACHES_SHARE,
                "break a rule of the label space (amazon_tags check lists them)",
            ),
            (
                "contradictions",
                summary.contradictions,
                MAX_CONTRADICTIONS_SHARE,
                "have the same content as another chip, but other tags",
            ),
        )
    ]


def digest_chips(data: TrainingData) -> ChipDigests:
    """Return one number for each chip's content with its tags."""
    pairs = zip(data.hashes, data.truth, strict=True)
    digests = (hashlib.sha256(digest.encode() + tags.tobytes()).digest()[:8] for digest, tags in pairs)
    return np.array([int.from_bytes(digest) for digest in digests], np.uint64)


def check_new_chips(
    job_data: JobData, champion: ModelAnswers, record: TrainingRecord, passed: ChipDigests, limits: GateLimits
) -> list[Check]:
    """Check the chips that are new to the current model, or whose tags have changed, by its answers.

    Those that were added since data last passed are also checked by themselves: a few wrong chips would not show
    among many good ones.

    Args:
        job_data: all labelled chips.
        champion: the current model's answers.
        record: the current model's training record.
        passed: `digest_chips` of the data that last passed these checks, whatever became of its candidate.
        limits: the job's limits.
    """
    data = job_data.data
    old, new = _old_and_new(job_data, record)
    latest = new & ~np.isin(digest_chips(data), passed)
    groups = [new] if latest.sum() in (0, new.sum()) else [new, latest]

    checks = [*_check_training_chips(data, record, limits), _check_lost_tags(data, record)]
    checks.append(Check("new chips", f"{old.sum()} old", f"{new.sum()} new", f"{MIN_COMPARED_CHIPS} of each", True))
    for group in groups:
        if min(old.sum(), group.sum()) >= MIN_COMPARED_CHIPS:
            checks += [
                _check_colours(champion, old, group),
                _check_vanished_tags(data, data.truth[old], group),
                _check_band_order(data, champion, group),
                _check_agreement(data, champion, old, group, limits),
            ]
    return checks


def _old_and_new(job_data: JobData, record: TrainingRecord) -> tuple[ChipMask, ChipMask]:
    """Return the current model's training chips whose tags are unchanged, and the chips that are new or changed.

    Withheld chips are in no model's record, so whether they are new is not known: they are in neither.
    """
    data = job_data.data
    recorded = {digest: record.truth[row].tobytes() for digest, row in record.places().items()}
    pairs = zip(data.hashes, data.truth, strict=True)
    old = np.array([recorded.get(digest) == tags.tobytes() for digest, tags in pairs], np.bool_)
    unrecorded = np.array([digest not in recorded for digest in data.hashes], np.bool_)
    return old, ~old & ~(job_data.withheld & unrecorded)


def _check_training_chips(data: TrainingData, record: TrainingRecord, limits: GateLimits) -> list[Check]:
    """Check that the current model's training chips are still there: a truncated table would train a poor model."""
    places, count = record.places(), len(record.hashes)
    present = [(row, places[digest]) for row, digest in enumerate(data.hashes) if digest in places]
    changed = sum(bool((data.truth[row] != record.truth[place]).any()) for row, place in present)
    return [
        Check(
            f"chips {name}",
            f"{count} training chips",
            f"{value} {name}",
            f"{limits.gone:.0%}",
            value <= limits.gone * count,
            f"{value} of the {count} training chips of the current model {what}; if this is intended, raise gone of "
            "[gate]",
        )
        for name, value, what in (
            ("gone", count - len(present), "are in no table any more"),
            ("changed", changed, "have different tags now"),
        )
    ]


def _check_lost_tags(data: TrainingData, record: TrainingRecord) -> Check:
    """Check whether a tag that several chips had is on no chip at all, though the chips are still there."""
    present = np.isin(record.hashes, data.hashes)
    carriers, names = record.truth[present].sum(axis=0), data.space.names
    lost = np.flatnonzero((carriers >= MIN_CARRIERS_OF_LOST_TAG) & ~data.truth.any(axis=0))
    listed = ", ".join(f"{names[column]} ({carriers[column]} did before)" for column in lost)
    why = f"no chip at all carries {listed}"
    return Check("tags", f"{len(names)}", f"{len(lost)} gone", "none", not len(lost), why)


def _check_colours(champion: ModelAnswers, old: ChipMask, new: ChipMask) -> Check:
    """Check whether the new chips are as bright as the old ones, and each band relative to the others."""
    bands = champion.band_statistics.shape[1] // 2
    means = champion.band_statistics[:, :bands].astype(np.float64)
    relative = means - means.mean(axis=1, keepdims=True)
    distance = max(
        float(np.abs((of[new].mean(axis=0) - of[old].mean(axis=0)) / np.maximum(of[old].std(axis=0), 1e-6)).max())
        for of in (means, relative)
    )
    limit = MAX_COLOUR_SHIFT + STANDARD_ERRORS * math.sqrt(1 / old.sum() + 1 / new.sum())
    return Check(
        "colours",
        "",
        f"{distance:.2f} deviations",
        f"{limit:.2f}",
        distance <= limit,
        f"the colours of the new chips are {distance:.1f} standard deviations from those of the old ones "
        f"(limit {limit:.1f}); check their bands and scaling",
    )


def _check_vanished_tags(data: TrainingData, old_truth: Tags, new: ChipMask) -> Check:
    """Check whether the new chips lack a tag that some should have, by its rate in `old_truth`."""
    names, rates, count = data.space.names, old_truth.mean(axis=0), int(new.sum())
    present = np.asarray(data.truth[new].any(axis=0))
    vanished = [
        column
        for column in range(len(names))
        if not present[column] and (1 - rates[column]) ** count < VANISHED_TAG_PROBABILITY
    ]
    listed = ", ".join(f"{names[column]} (about {rates[column] * count:.0f} expected)" for column in vanished)
    why = f"no new chip carries {listed}"
    return Check("tags", f"{len(names)}", f"{len(vanished)} gone", "none", not vanished, why)


def _check_band_order(data: TrainingData, champion: ModelAnswers, new: ChipMask) -> Check:
    """Check whether the current model does better on the new chips with reversed bands; it should do much worse."""
    rows = np.flatnonzero(new)[:MAX_REVERSED_CHIPS]
    if len(rows) < MIN_REVERSED_CHIPS:
        return Check("bands", "", "", f"{MIN_REVERSED_CHIPS} new chips", True)
    as_is, in_reverse = answers.reversed_bands_f2(champion.model.bundle, data, rows)
    exchanged = score.probability_below(as_is - in_reverse) > answers.CONFIDENCE
    return Check(
        "bands",
        f"in reverse {in_reverse.mean():.4f}",
        f"as they are {as_is.mean():.4f}",
        "better as they are",
        not exchanged,
        f"red and blue of the new chips seem to be exchanged: the current model reaches F2 {in_reverse.mean():.4f} "
        f"with the bands reversed, but {as_is.mean():.4f} as they are",
    )


def _check_agreement(
    data: TrainingData, champion: ModelAnswers, old: ChipMask, new: ChipMask, limits: GateLimits
) -> Check:
    """Compare the current model's F2 on the new labels with that on the old ones, all scored without training."""
    f2 = score.per_chip(data.truth, champion.tags)
    before, after = f2[old], f2[new]
    variance = max(before.var(), after.var())  # that of a few new chips alone is unreliable
    error = math.sqrt(variance / len(before) + variance / len(after))
    loss = float(before.mean() - after.mean())

    shifts = shift.stability_index(data.truth[old], data.truth[new])
    worst = int(np.argmax(shifts))
    return Check(
        "agreement",
        f"{before.mean():.4f}",
        f"{after.mean():.4f}",
        f"-{limits.disagreement}",
        not (loss > limits.disagreement and loss > STANDARD_ERRORS * error),
        f"the current model reaches F2 {after.mean():.4f} on {len(after)} new chips, but {before.mean():.4f} on old "
        f"ones: the new labels or pixels seem to be wrong (the rate of {data.space.names[worst]} changed most, "
        f"stability index {shifts[worst]:.2f})",
    )

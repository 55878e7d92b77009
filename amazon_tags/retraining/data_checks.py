"""Whether labelled chips may be trained on: rules, contradictions and, where there is a champion, what it says.

A champion that was good on the chips before is a witness: where it fails on the new ones, their labels or their pixels
are not what the old ones were. People look at that, before a model learns it.
"""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.retraining import model_checks
from amazon_tags.retraining.job import GateLimits
from amazon_tags.retraining.job_data import JobData
from amazon_tags.retraining.model_checks import Check, ModelAnswers
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Tags
from ensemble.metrics import score, shift

BREACHES = 0.05  # of the rows; the competition's own table has some
CONTRADICTIONS = 0.01  # of the chips
ENOUGH = 5  # old and new chips that a comparison needs
SEVERAL = 3  # chips that carried a tag, which may lose fewer to corrections
RARE = 1e-3  # a tag that vanished: how probable at most it is that chance did it
SURE = 3.0  # standard errors
SHOWN = 200  # new chips, at most, that are looked at with their bands in the reverse order
TURNED = 20  # and at least: of fewer, chance would do
SHIFTED = 1.0  # of the old chips' spread, that the new chips' colours may lie apart, beyond what chance does

Mask = NDArray[np.bool_]  # (chips,)
Marks = NDArray[np.uint64]


def check_rules(taken: JobData) -> list[Check]:
    """What can be said of the tables by themselves."""
    told, count = taken.told, len(taken.given.paths)
    return [
        Check(
            name,
            "",
            f"{told[name]} of {count}",
            f"{limit:.0%}",
            told[name] <= limit * count,
            f"{told[name]} of {count} chips {what}",
        )
        for name, limit, what in (
            ("breaches", BREACHES, "break a rule of the label space (amazon_tags check names them)"),
            ("contradictions", CONTRADICTIONS, "have the content of another one and other tags"),
        )
    ]


def marks(given: TrainingData) -> Marks:
    """One number for each chip with its tags."""
    pairs = zip(given.hashes, given.truth, strict=True)
    digests = (hashlib.sha256(digest.encode() + truth.tobytes()).digest()[:8] for digest, truth in pairs)
    return np.array([int.from_bytes(digest) for digest in digests], np.uint64)


def check_new_chips(
    taken: JobData, champion: ModelAnswers, known: TrainingRecord, passed: Marks, limits: GateLimits
) -> list[Check]:
    """What the champion says of the chips that are new to it, or whose tags have changed.

    Of these, the ones that came since data last passed are looked at by themselves too: among many, few would hide.

    Args:
        taken: all labelled chips.
        champion: its answers.
        known: what it learnt from.
        passed: `marks` of the data that last passed, whatever became of its candidate.
        limits: of the job.
    """
    given = taken.given
    before = {digest: known.truth[row].tobytes() for digest, row in known.places().items()}
    same = [before.get(digest) == truth.tobytes() for digest, truth in zip(given.hashes, given.truth, strict=True)]
    old = np.array(same, np.bool_)
    new = ~old & ~_withheld_before(taken, known)
    latest = new & ~np.isin(marks(given), passed)
    groups = [new] if latest.sum() in (0, new.sum()) else [new, latest]
    everywhere = _left_all(given, known)
    told = Check("witness", f"{old.sum()} old", f"{new.sum()} new", f"{ENOUGH} of each", True)
    return [*_gone(given, known, limits), everywhere, told] + [
        check
        for group in groups
        if min(old.sum(), group.sum()) >= ENOUGH
        for check in (
            _colours(champion, old, group),
            _vanished(taken, given.truth[old], group, "new chip"),
            _bands(taken, champion, group),
            _agreement(taken, champion, old, group, limits),
        )
    ]


def _gone(given: TrainingData, known: TrainingRecord, limits: GateLimits) -> list[Check]:
    """Whether what the champion learnt from is still there: a table cut short makes a model of little."""
    places, truth = known.places(), given.truth
    there = [(row, places[digest]) for row, digest in enumerate(given.hashes) if digest in places]
    changed = sum((truth[row] != known.truth[place]).any() for row, place in there)
    count = len(known.hashes)
    return [
        Check(
            f"chips {what}",
            f"{count} learnt from",
            f"{found} {what}",
            f"{limits.gone:.0%}",
            found <= limits.gone * count,
            f"{found} of the {count} chips that the current model learnt from {why}; "
            "where that is meant, raise gone of [gate]",
        )
        for what, found, why in (
            ("gone", count - len(there), "are in no table any more"),
            ("changed", int(changed), "have other tags than then"),
        )
    ]


def _left_all(given: TrainingData, known: TrainingRecord) -> Check:
    """Whether a tag that several chips carried is on none at all, though the chips are still there."""
    there = np.isin(known.hashes, given.hashes)
    carried, names = known.truth[there].sum(axis=0), given.space.names
    gone = np.flatnonzero((carried >= SEVERAL) & ~given.truth.any(axis=0))
    told = ", ".join(f"{names[place]} ({carried[place]} did)" for place in gone)
    return Check("tags", f"{len(names)}", f"{len(gone)} gone", "none", not len(gone), f"no chip at all carries {told}")


def _withheld_before(taken: JobData, known: TrainingRecord) -> Mask:
    """Withheld chips are in no model's record, so nobody can tell the old ones from the new."""
    return taken.withheld & ~np.array([digest in known.places() for digest in taken.given.hashes], np.bool_)


def _colours(champion: ModelAnswers, old: Mask, new: Mask) -> Check:
    """Whether the new chips are as bright as the old ones, and each band beside the others."""
    bands = champion.band_statistics.shape[1] // 2
    means = champion.band_statistics[:, :bands].astype(np.float64)
    beside = means - means.mean(axis=1, keepdims=True)
    apart = max(
        float(np.abs((of[new].mean(axis=0) - of[old].mean(axis=0)) / np.maximum(of[old].std(axis=0), 1e-6)).max())
        for of in (means, beside)
    )
    limit = SHIFTED + SURE * math.sqrt(1 / old.sum() + 1 / new.sum())
    why = f"the colours of the new chips lie {apart:.1f} spreads from those of the old ones"
    return Check("colours", "", f"{apart:.2f} spreads", f"{limit:.2f}", apart <= limit, why)


def _vanished(taken: JobData, before: Tags, some: Mask, what: str) -> Check:
    """Whether some of the chips lack a tag that they should carry by its rate in the truth (chips, labels) `before`."""
    names, rates, count = taken.given.space.names, before.mean(axis=0), int(some.sum())
    carried = np.asarray(taken.given.truth[some].any(axis=0))
    gone = [place for place in range(len(names)) if not carried[place] and (1 - rates[place]) ** count < RARE]
    told = ", ".join(f"{names[place]} (some {rates[place] * count:.0f} expected)" for place in gone)
    return Check("tags", f"{len(names)}", f"{len(gone)} gone", "none", not gone, f"no {what} carries {told}")


def _agreement(taken: JobData, champion: ModelAnswers, old: Mask, new: Mask, limits: GateLimits) -> Check:
    """The champion's F2 on the new labels against that on the old ones, both on chips that it had not seen."""
    f2 = score.per_chip(taken.given.truth, champion.tags)
    before, after = f2[old], f2[new]
    spread = max(before.var(), after.var())  # of a few new chips by themselves it says little
    error = math.sqrt(spread / len(before) + spread / len(after))
    lost = float(before.mean() - after.mean())
    rates = shift.stability_index(taken.given.truth[old], taken.given.truth[new])
    worst = int(np.argmax(rates))
    return Check(
        "agreement",
        f"{before.mean():.4f}",
        f"{after.mean():.4f}",
        f"-{limits.disagreement}",
        not (lost > limits.disagreement and lost > SURE * error),
        f"the champion reaches F2 {after.mean():.4f} on {len(after)} new chips and {before.mean():.4f} on old ones: "
        f"their labels are not what the old ones' are, or their pixels (the rate of {taken.given.space.names[worst]} "
        f"has moved most, index {rates[worst]:.2f})",
    )


def _bands(taken: JobData, champion: ModelAnswers, new: Mask) -> Check:
    """Whether the champion does better on the same chips with their bands turned around; it should do much worse."""
    rows = np.flatnonzero(new)[:SHOWN]
    if len(rows) < TURNED:
        return Check("bands", "", "", f"{TURNED} new chips", True)
    as_is, turned, exchanged = model_checks.exchanged(taken.given, champion.folder, rows)
    return Check(
        "bands",
        f"in reverse {turned:.4f}",
        f"as they are {as_is:.4f}",
        "better as they are",
        not exchanged,
        f"red and blue of the new chips seem to be exchanged: with the bands in the reverse order the champion reaches "
        f"F2 {turned:.4f}, as they are {as_is:.4f}",
    )

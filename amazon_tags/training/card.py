"""The card of a bundle: what the model is for, what was measured out of fold, where its limits are."""

import numpy as np

from amazon_tags.evaluation.evaluate import measure_tags
from amazon_tags.model.manifest import DataSummary, Manifest, PrecisionReport
from amazon_tags.model.measured_scores import F2Interval, Interval, MeasuredScores, decimals
from amazon_tags.model.recipe import MemberSettings
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.training.card_head import card_head
from amazon_tags.training.teacher_bundles import shared_text
from ensemble.arrays import Floats, Fold, Scores, Tags
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, frequent_tags, nested_thresholds
from ensemble.metrics import score
from ensemble.networks.settings import FrozenMember, TunedMember
from features.initialisation.start import TRANSFER, Start
from features.networks.foreign_settings import is_foreign

RARE_SUPPORT = 20  # chips; with fewer, the intervals are so wide that the figures say little
DECODERS = {
    "flat": "one flat threshold",
    "cuts": "one threshold for each label",
    "expected": "the highest expected F2, with labels taken as independent",
    "ruled": "the highest expected F2 under the label space's rules",
}
VIEW_MEANS = {"mean": "mean", "geometric": "geometric mean"}
SECOND_LEVEL_SENTENCES = {
    "mean": "Their scores are averaged.",
    "geometric": "Their scores are averaged geometrically.",
    "rank": "The ranks of their scores are averaged.",
    "diverse": "The scores of the best one and of those least like it, among members of like F2, are averaged.",
    "greedy": "Their scores are averaged with weights by greedy selection.",
    "routed": "Their scores are averaged with separate weights for each label, by greedy selection.",
    "ridge": "Their scores are combined by two levels of ridge regressions.",
    "boosted": "Their scores are combined by boosted trees.",
}


def measure_bundle(
    truth: Tags, single: Scores, averaged: Scores, fold: Fold, space: LabelSpace, tags: Tags
) -> MeasuredScores:
    """Measure out-of-fold scores; no threshold was fitted on the chips that it is applied to.

    Args:
        truth: (chips, labels) ground truth.
        single: (chips, labels) out-of-fold scores of the chips as they are.
        averaged: (chips, labels) the same, averaged over dihedral views.
        fold: (chips,) the fold of each chip; its thresholds are fitted on the other folds.
        space: names of the labels.
        tags: (chips, labels) by the bundle's kind of decision, fitted on other chips.
    """
    decisions = {  # by their names in the manifest, where thresholds are called cuts
        "as this bundle decides": tags,
        "flat, one view": apply_thresholds(single, FLAT_THRESHOLD),
        "cuts, one view": nested_thresholds(single, truth, fold),
        "flat, all views": apply_thresholds(averaged, FLAT_THRESHOLD),
        "cuts, all views": nested_thresholds(averaged, truth, fold),
        "constant answer": np.broadcast_to(frequent_tags(truth), truth.shape),
    }
    gain = score.per_chip(truth, decisions["cuts, one view"]) - score.per_chip(truth, decisions["flat, one view"])
    evaluation = measure_tags(truth, tags, space)
    return MeasuredScores(
        evaluation.f2,
        evaluation.interval,
        evaluation.chips,
        evaluation.micro_f1,
        evaluation.macro_f1,
        labels=evaluation.labels,
        decisions={name: _mean_f2(score.per_chip(truth, answers)) for name, answers in decisions.items()},
        gain_of_thresholds=_mean_f2(gain),
        mean_average_precision=score.mean_average_precision(truth, single),
        folds=tuple(score.f2(truth[fold == number], tags[fold == number]) for number in np.unique(fold)),
    )


def _mean_f2(values: Floats) -> F2Interval:
    """The mean of F2, or of differences of it, over chips (chips,)."""
    return F2Interval(float(values.mean()), score.bootstrap_interval(values))


def card_text(manifest: Manifest) -> str:
    """Return the card in Markdown, with a YAML head.

    Raises:
        ValueError: the manifest has no measured scores or no summary of its data.
    """
    scores, data, recipe = manifest.scores, manifest.data, manifest.read_recipe()
    if scores is None or data is None:
        raise ValueError("a card needs a manifest with measured scores and a summary of the data.")
    return f"""{card_head(manifest, scores, folds=recipe.folds)}
# Tags of the label space {manifest.space.name}

{_task(manifest)} gives each of {len(manifest.space.names)} labels a score in [0, 1], and decides which tags the chip \
gets. Made for F2 averaged over chips, which weighs recall four times as much as precision.

## Members

{_members(manifest, recipe.members)}

{_combination(manifest)}
{_teachers(manifest, data)}{_compression(manifest)}
Trained on {_data(data)}, seed {recipe.seed}.

## Measured

Out of fold, {recipe.folds} folds stratified by label: no network and no threshold was fitted on the chips that it is \
measured on. Intervals are 95 % bootstrap intervals over chips. {_views(manifest)}This bundle decides by \
{DECODERS[manifest.decoder]}.

{_decisions(scores, manifest.views)}

{_labels(scores)}

{"" if manifest.vectors else _precision_chapter(manifest.precision)}## Limits

{_rare_labels(scores)} Chips from another sensor, at another resolution or from another part of the world were not \
measured. A score is not a probability unless the decision was calibrated.

## Data and licence

{data.note or "No note was given on the chips' origin and terms of use; ask the people who trained this model."}
{_start_note(manifest)}"""


def _teachers(manifest: Manifest, data: DataSummary) -> str:
    """What bundles that members learnt from know of the chips that they are measured on."""
    lines = []
    for name, teacher in manifest.teachers.items():
        note = teacher.note or "no note was given."
        lines.append(
            f"\nThe teacher `{name}` {shared_text(teacher.shared, data.chips)}. On the chips of that bundle: {note}\n"
        )
    return "".join(lines)


def _compression(manifest: Manifest) -> str:
    """How the networks were made smaller, as a paragraph."""
    compression = manifest.compression
    if not compression:
        return ""
    begin = {
        "bundle": "that bundle has seen none of the chips below, and its networks were pruned and fine-tuned without "
        "each fold",
        "recipe": "the figures below are of networks that were trained by the recipe, pruned and fine-tuned without "
        "each fold; those in this bundle are its own, pruned and fine-tuned on all chips",
    }[compression.start]
    return (
        f"\nMade from the bundle {compression.sha256[:12]} by `{compression.strategy}`, which leaves one of "
        f"{compression.ratio:.2f} parameters, and {compression.epochs} epochs of fine-tuning: {begin}.\n"
    )


def _start_note(manifest: Manifest) -> str:
    """What is known of the chips of the bundle that members started from, as a paragraph."""
    if not manifest.start:
        return ""
    note = manifest.start.note or "no note was given."
    return f"\nMembers started from the bundle {manifest.start.sha256[:12]}. On the chips of that bundle: {note}\n"


def _task(manifest: Manifest) -> str:
    """What the model takes, as the beginning of a sentence."""
    if not manifest.vectors:
        side = manifest.read_recipe().side
        ground = f" of {manifest.ground:g} m of ground a side" if manifest.ground else ""
        if manifest.spec.dates > 1:
            return (
                f"Reads a pair of satellite chips of one place at two dates{ground}, resized to {side} x {side} pixels,"
            )
        return f"Reads a satellite chip{ground}, resized to {side} x {side} pixels,"
    command = manifest.vectors.command()
    how = f" made by `{command}`" if command else ", matched by their width alone"
    vectors = manifest.vectors.describe()
    return f"Takes no chips but their vectors of {vectors},{how}: `predict --vectors vectors.parquet`. It"


def _table(header: str, rows: list[str]) -> str:
    columns = header.count("|") - 1
    return "\n".join([header, "|" + columns * "---|", *rows])


def _members(manifest: Manifest, members: tuple[MemberSettings, ...]) -> str:
    lines = []
    for settings in members:
        remark = "" if settings.name in manifest.shipped else " Not in this bundle."
        lines.append(f"- {_member(settings, manifest)}{remark}")
    return "\n".join(lines)


def _member(settings: MemberSettings, manifest: Manifest) -> str:
    if manifest.vectors and isinstance(settings, FrozenMember):
        return f"`{settings.name}`: a {settings.head} head on the vectors."
    origin = "random weights" if settings.weights == "none" else "Keras' ImageNet weights"
    if manifest.start and settings.name in manifest.start.members:
        source = manifest.start.members[settings.name]
        origin = f"the backbone of `{source}` in the bundle {manifest.start.sha256[:12]}"
    elif settings.name in manifest.pretrained:
        found = manifest.pretrained[settings.name]
        origin = (
            f"a backbone that {found.method} pretrained on {found.chips:,} chips without labels (SHA-256 "
            f"{found.sha256[:16]}; their origin and terms: {' '.join(found.note.split()) or 'not stated'})"
        )
    elif settings.backbone in manifest.started_from:
        origin = f"a weight file of SHA-256 {manifest.started_from[settings.backbone][:16]}"
    start = f"`{settings.name}`: {settings.backbone}"
    if isinstance(settings, FrozenMember) and is_foreign(settings.backbone):
        licence = manifest.licences.get(settings.backbone, "not stated")
        origin = f"SHA-256 {manifest.started_from[settings.backbone][:16]}, licence: {' '.join(licence.split())}"
        return f"{start}, a network from a file ({origin}), not trained further, and a {settings.head} head."
    if isinstance(settings, FrozenMember):
        return f"{start} with {origin}, not trained further, and a {settings.head} head."
    layers = f"all but the first {settings.freeze:.0%} of its layers" if settings.freeze else "every layer"
    length = f"for {settings.epochs} epochs" if settings.schedule == "cosine" else "by BiT-HyperRule"
    teachers = f", with {', '.join(settings.teachers)} as teachers" if settings.teachers else ""
    return f"{start}{_dates(settings, manifest)}, {layers} trained {length} from {_start(settings, origin)}{teachers}."


def _dates(settings: TunedMember, manifest: Manifest) -> str:
    """How a fine-tuned network joins the chips of two dates; empty for single chips."""
    if manifest.spec.dates == 1:
        return ""
    return {
        "shared": " for both dates, whose vectors are joined",
        "bottleneck": " for both dates, whose vectors a hypercomplex layer joins",
        "stacked": " on the bands of both dates",
    }[settings.pairs]


def _start(settings: TunedMember, origin: str) -> str:
    """What the weights of a fine-tuned network were before training; `origin` says which were loaded."""
    start = Start(settings.init)
    return {
        "imagenet": origin,
        "random": "random weights",
        "auto": "random weights that AutoInit scaled",
        "grad": "random weights that GradInit scaled",
        "stats": f"weights drawn with the mean and variance of each tensor of {origin}",
        TRANSFER: f"{origin} up to the layer {start.layer()} and random weights behind it",
    }[start.kind()]


def _combination(manifest: Manifest) -> str:
    """How the members' scores are combined, what else was tried, and the choices under a budget."""
    lines = [SECOND_LEVEL_SENTENCES[manifest.second.chosen]] if len(manifest.shipped) > 1 else []
    if len(manifest.second.trials) > 1:
        rows = [
            f"| {name} | {trial.f2:.4f} | {trial.gain:+.4f} | {_interval(trial.interval, '+')} |"
            for name, trial in manifest.second.trials.items()
        ]
        lines += ["", _table("| second level | F2 | gain over the mean | 95 % interval |", rows)]
    if manifest.front:
        rows = [
            f"| {', '.join(entry.members)} | {entry.milliseconds:.2f} | {entry.mebibytes:.1f} | {entry.f2:.4f} "
            f"| {'chosen' if entry.chosen else ''} |"
            for entry in manifest.front
        ]
        lines += ["", _table("| members | ms a chip | MiB | F2 | |", rows)]
        lines += ["", "The members were chosen by F2 on the same chips as the figures below, so these are optimistic."]
    return "\n".join(lines)


def _data(data: DataSummary) -> str:
    groups = f" in {data.groups} groups, each within one fold," if data.groups else ""
    unlabelled = f" and {data.unlabelled} without labels" if data.unlabelled else ""
    return f"{data.chips} labelled chips{groups}{unlabelled} (fingerprint {data.fingerprint[:16]})"


def _views(manifest: Manifest) -> str:
    if manifest.views == 1:
        return ""
    return f'"All views" is the {VIEW_MEANS[manifest.view_mean]} of {manifest.views} dihedral views. '


def _decisions(scores: MeasuredScores, views: int) -> str:
    rows = [
        f"| {name.replace('cuts', 'thresholds')} | {entry.f2:.4f} | {_interval(entry.interval)} |"
        for name, entry in scores.decisions.items()
        if views > 1 or not name.endswith("all views")
    ]
    gain = scores.gain_of_thresholds
    return f"""{_table("| scores to tags | F2 | 95 % interval |", rows)}

Fitted thresholds against one flat threshold of {FLAT_THRESHOLD}: {gain.f2:+.4f} ({_interval(gain.interval, "+")}). \
Mean average precision {scores.mean_average_precision:.3f}."""


def _labels(scores: MeasuredScores) -> str:
    rows = [
        f"| {name} | {report.support} | {decimals(report.precision)} | {decimals(report.recall)} "
        f"| {decimals(report.f2)} | {_interval(report.interval, digits=3) if report.interval else '-'} |"
        for name, report in scores.labels.items()
    ]
    return _table("| label | support | precision | recall | F2 | 95 % interval |", rows)


def _precision_chapter(report: PrecisionReport) -> str:
    """The chapter on the precisions of networks, with the blank line after it."""
    return f"""## Precision

How much F2 each precision loses against f32 on the same held-out chips, and its time on one core of the machine that \
trained the model. `--precision auto` takes the fastest that the processor supports and that loses at most \
{report.limit}; here that was {report.auto}.

{_precisions(report)}

"""


def _precisions(report: PrecisionReport) -> str:
    rows = [
        f"| {name} | {cost.loss:+.4f} | {_interval(cost.interval, '+')} | {cost.milliseconds:.2f} |"
        for name, cost in report.costs.items()
    ]
    return _table("| precision | F2 lost | 95 % interval | ms a chip |", rows)


def _rare_labels(scores: MeasuredScores) -> str:
    names = [name for name, report in scores.labels.items() if report.support < RARE_SUPPORT]
    if not names:
        return f"Every label was measured on {RARE_SUPPORT} chips or more."
    return f"Fewer than {RARE_SUPPORT} chips carry {', '.join(names)}: the figures of these labels are unreliable."


def _interval(ends: Interval, sign: str = "", *, digits: int = 4) -> str:
    low, high = ends
    return f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"

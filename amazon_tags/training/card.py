"""A bundle's card: what the model is for, what was measured out of fold, where it ends."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.evaluation.evaluate import measure_tags
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores, Tags
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, frequent_tags, nested_thresholds
from ensemble.metrics import score

DECODERS = {
    "flat": "one flat cut",
    "cuts": "a cut a label",
    "expected": "the highest expected F2 of labels taken as independent",
    "ruled": "the highest expected F2 under the label space's rules",
}


VIEW_MEANS = {"mean": "mean", "geometric": "geometric mean"}
SECOND_LEVEL_SENTENCES = {
    "mean": "Their scores are averaged.",
    "geometric": "Their scores are averaged geometrically.",
    "rank": "Their scores' ranks are averaged.",
    "greedy": "Their scores are averaged with weights by greedy selection.",
    "routed": "Their scores are averaged with weights of each label's own, by greedy selection.",
    "ridge": "Their scores become one by two levels of ridge regressions.",
    "boosted": "Their scores become one by boosted trees.",
}


def measure_bundle(
    truth: Tags, single: Scores, turned: Scores, fold: NDArray[np.int64], space: LabelSpace, tags: Tags
) -> dict[str, Any]:
    """What out-of-fold scores are worth, no cut having seen the chips that it decides on.

    Args:
        truth: (chips, labels).
        single: out-of-fold scores of the chips as they are.
        turned: the same, averaged over dihedral views.
        fold: (chips,) the fold of each chip; its cuts are fitted on the other folds.
        space: names of the labels.
        tags: what the bundle's kind of decision gives the chips as they are, fitted on other chips.
    """
    decided = {
        "as this bundle decides": tags,
        "flat, one view": apply_thresholds(single, FLAT_THRESHOLD),
        "cuts, one view": nested_thresholds(single, truth, fold),
        "flat, all views": apply_thresholds(turned, FLAT_THRESHOLD),
        "cuts, all views": nested_thresholds(turned, truth, fold),
        "constant answer": np.broadcast_to(frequent_tags(truth), truth.shape),
    }
    roads = {}
    for name, given in decided.items():
        worth = score.per_chip(truth, given)
        roads[name] = {"f2": float(worth.mean()), "interval": list(score.bootstrap_interval(worth))}
    gain = score.per_chip(truth, decided["cuts, one view"]) - score.per_chip(truth, decided["flat, one view"])
    return {
        **measure_tags(truth, tags, space).to_json(),
        "roads": roads,
        "gain_of_cuts": {"f2": float(gain.mean()), "interval": list(score.bootstrap_interval(gain))},
        "mean_average_precision": score.mean_average_precision(truth, single),
        "folds": [score.f2(truth[fold == number], tags[fold == number]) for number in np.unique(fold)],
    }


def card_text(space: LabelSpace, story: dict[str, Any]) -> str:
    """The card, in Markdown."""
    measured, recipe, data = story["scores"], story["recipe"], story["data"]
    members = "\n".join(
        f"- {_describe(member, story['started_from'])}{'' if member['name'] in story['shipped'] else ' Not in here.'}"
        for member in recipe["members"]
    )
    roads = "\n".join(
        f"| {name} | {road['f2']:.4f} | {road['interval'][0]:.4f} to {road['interval'][1]:.4f} |"
        for name, road in measured["roads"].items()
    )
    rows = "\n".join(
        f"| {name} | {row['support']} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f2']:.3f} "
        f"| {row['interval'][0]:.3f} to {row['interval'][1]:.3f} |"
        for name, row in measured["labels"].items()
    )
    rare = [name for name, row in measured["labels"].items() if row["support"] < 20]
    gain = measured["gain_of_cuts"]
    return f"""# Tags of the label space {space.name}

Reads a satellite chip, made {recipe["side"]} x {recipe["side"]} pixels, and gives each of {len(space.names)} labels a \
score in [0, 1] and a verdict. Made to be scored by F2 averaged over chips: recall weighs four times precision.

## Members

{members}

{_joined(story)}

Trained on {data["chips"]} labelled chips{_grouped(data)}{_unlabelled(data)} (fingerprint \
{data["fingerprint"][:16]}), seed {recipe["seed"]}.

## Measured

Out of fold, {recipe["folds"]} folds stratified by label; no network and no cut has seen the chips that it is measured \
on. Intervals are 95 % bootstraps over chips. "All views" is the {VIEW_MEANS[story["view_mean"]]} of {story["views"]} \
dihedral views. This bundle decides by {DECODERS[story["decoder"]]}.

| scores to tags | F2 | 95 % interval |
|---|---|---|
{roads}

Fitted cuts against one flat cut of {FLAT_THRESHOLD}: {gain["f2"]:+.4f} ({gain["interval"][0]:+.4f} to \
{gain["interval"][1]:+.4f}). Mean average precision {measured["mean_average_precision"]:.3f}.

| label | support | precision | recall | F2 | 95 % interval |
|---|---|---|---|---|---|
{rows}

## Precision

What computing in fewer bits costs in F2, on the same held-out chips, and its time on one core of the machine that \
trained it. `--precision auto` takes the fastest that costs at most {story["precision"]["limit"]} and that the \
processor knows; here that was {story["precision"]["auto"]}.

| precision | F2 lost | 95 % interval | ms a chip |
|---|---|---|---|
{_prices(story["precision"])}

## Limits

{_limits(rare)} Chips from another sensor, another resolution or another part of the world were not measured. A score \
is no probability until somebody has calibrated it.

## Data and licence

{data["note"] or "Nothing was said of where the chips are from and on which terms; ask whoever trained this."}
"""


def _describe(member: dict[str, Any], starts: dict[str, str]) -> str:
    origin = "random weights" if member["weights"] == "none" else "Keras' ImageNet weights"
    if member["backbone"] in starts:
        origin = f"a weight file of SHA-256 {starts[member['backbone']][:16]}"
    if member["kind"] == "frozen":
        return (
            f"`{member['name']}`: {member['backbone']} with {origin}, not trained further, and a {member['head']} head."
        )
    layers = f"all but the first {member['freeze']:.0%} of its layers" if member["freeze"] else "every layer"
    length = f"for {member['epochs']} epochs" if member["schedule"] == "cosine" else "by BiT-HyperRule"
    taught = f", with {', '.join(member['teachers'])} for teachers" if member["teachers"] else ""
    return f"`{member['name']}`: {member['backbone']}, {layers} trained {length} from {origin}{taught}."


def _joined(story: dict[str, Any]) -> str:
    """How the members become one, what else was tried, and the front that a budget was held against."""
    told, front = story["second"], story["front"]
    lines = [SECOND_LEVEL_SENTENCES[told["chosen"]]] if len(story["shipped"]) > 1 else []
    if len(told["trials"]) > 1:
        lines += ["", "| second level | F2 | gain over the mean | 95 % interval |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {trial['f2']:.4f} | {trial['gain']:+.4f} | {_interval(trial['interval'], '+')} |"
            for name, trial in told["trials"].items()
        ]
    if front:
        lines += ["", "| members | ms a chip | MiB | F2 | |", "|---|---|---|---|---|"]
        lines += [
            f"| {', '.join(entry['members'])} | {entry['ms']:.2f} | {entry['mb']:.1f} | {entry['f2']:.4f} "
            f"| {'taken' if entry['taken'] else ''} |"
            for entry in front
        ]
        lines += ["", "The members were picked by F2 on the very chips of the figures below, which flatters them."]
    return "\n".join(lines)


def _prices(told: dict[str, Any]) -> str:
    return "\n".join(
        f"| {name} | {price['loss']:+.4f} | {_interval(price['interval'], '+')} | {price['ms']:.2f} |"
        for name, price in told["prices"].items()
    )


def _grouped(data: dict[str, Any]) -> str:
    return f" in {data['groups']} groups, none of which a fold tears apart," if data.get("groups") else ""


def _unlabelled(data: dict[str, Any]) -> str:
    return f" and {data['unlabelled']} without labels" if data["unlabelled"] else ""


def _interval(ends: list[float], sign: str = "") -> str:
    return f"{ends[0]:{sign}.4f} to {ends[1]:{sign}.4f}"


def _limits(rare: list[str]) -> str:
    if not rare:
        return "Every label was measured on 20 chips or more."
    return f"Fewer than 20 chips carry {', '.join(rare)}: what is said of these is close to a guess."

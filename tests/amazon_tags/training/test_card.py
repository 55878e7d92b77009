import json
from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.model.manifest import (
    DataSummary,
    FrontEntry,
    Manifest,
    PrecisionReport,
    SecondLevelReport,
    SecondLevelTrial,
)
from amazon_tags.model.measured_scores import LabelReport
from amazon_tags.model.recipe import Recipe, recipe_to_json
from amazon_tags.tables import labels
from amazon_tags.training.card import card_text, measure_bundle
from ensemble.decisions.thresholds import apply_thresholds, frequent_tags, nested_thresholds
from ensemble.metrics import folds, score
from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec

TRIAL = SecondLevelTrial(0.9, 0.01, (0.001, 0.02))
MEMBERS = (
    TunedMember("large", "toy", weights="none", freeze=0.25, epochs=3),
    TunedMember("small", "toy", weights="none", epochs=3, teachers=("large",)),
)


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    truth = rng.random((300, 17)) < np.linspace(0.05, 0.6, 17)
    scores = np.clip(0.6 * truth + rng.random(truth.shape) * 0.5, 0, 1).astype(np.float32)
    fold = folds.stratify(truth, folds=3)
    tags = apply_thresholds(scores, 0.2)
    return truth, scores, fold, measure_bundle(truth, scores, 1 - scores, fold, labels.PLANET, tags)


@pytest.fixture
def manifest(measured):
    return Manifest(
        space=labels.PLANET,
        spec=ChipSpec(side=64),
        recipe=recipe_to_json(Recipe(MEMBERS, side=64)),
        data=DataSummary(chips=9, fingerprint="f" * 64),
        views=8,
        second=SecondLevelReport("ridge", {"mean": TRIAL, "ridge": TRIAL}),
        shipped=("large", "small"),
        precision=PrecisionReport("f32", 0.001, {}),
        scores=measured[3],
    )


def test_the_card_says_how_members_were_trained_and_combined(manifest):
    text = card_text(manifest)
    assert "`large`: toy, all but the first 25% of its layers trained for 3 epochs from random weights." in text
    assert "`small`: toy, every layer trained for 3 epochs from random weights, with large as teachers." in text
    assert "Their scores are combined by two levels of ridge regressions." in text
    assert "| ridge | 0.9000 | +0.0100 | +0.0010 to +0.0200 |" in text


def test_the_card_says_how_much_ground_a_chip_shows_if_it_was_stated(manifest):
    assert "Reads a satellite chip, resized to 64 x 64 pixels," in card_text(manifest)
    text = card_text(replace(manifest, ground=2560.0))
    assert "Reads a satellite chip of 2560 m of ground a side, resized to 64 x 64 pixels," in text


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("imagenet", "Keras' ImageNet weights."),
        ("random", "random weights."),
        ("auto", "random weights that AutoInit scaled."),
        ("grad", "random weights that GradInit scaled."),
        ("stats", "weights drawn with the mean and variance of each tensor of Keras' ImageNet weights."),
        ("transfer:edges", "Keras' ImageNet weights up to the layer edges and random weights behind it."),
    ],
)
def test_the_card_says_what_a_member_started_from(manifest, init, words):
    recipe = Recipe((TunedMember("large", "toy", epochs=3, init=init),), side=64)
    text = card_text(replace(manifest, recipe=recipe_to_json(recipe), shipped=("large",)))
    assert f"`large`: toy, every layer trained for 3 epochs from {words}" in text


def test_the_card_says_which_members_are_missing_and_which_a_budget_chose(manifest):
    front = (FrontEntry(("small",), 1.5, 4.0, 0.89, chosen=True),)
    text = card_text(
        replace(
            manifest, shipped=("small",), front=front, data=DataSummary(chips=9, fingerprint="f" * 64, unlabelled=70)
        )
    )
    assert "from random weights. Not in this bundle." in text
    assert "Their scores" not in text
    assert "| small | 1.50 | 4.0 | 0.8900 | chosen |" in text
    assert "Trained on 9 labelled chips and 70 without labels (fingerprint" in text


def test_the_card_shows_thresholds_and_labels(manifest, measured):
    text, scores = card_text(manifest), measured[3]
    entry, report = scores.decisions["cuts, one view"], scores.labels["water"]
    low, high = entry.interval
    assert f"| thresholds, one view | {entry.f2:.4f} | {low:.4f} to {high:.4f} |" in text
    assert f"| water | {report.support} | {report.precision:.3f} | {report.recall:.3f} | {report.f2:.3f} |" in text
    assert " cut" not in text


def test_a_label_on_no_chip_and_in_no_answer_has_dashes_on_the_card_and_null_in_the_manifest(manifest, measured):
    absent = LabelReport(None, None, None, None, support=0)
    scores = replace(measured[3], labels={**measured[3].labels, "water": absent})
    changed = replace(manifest, scores=scores)
    assert "| water | 0 | - | - | - | - |" in card_text(changed)
    assert Manifest.from_json(json.loads(json.dumps(changed.to_json()))).scores == scores


def test_a_card_of_one_view_has_no_rows_of_all_views(manifest):
    assert '"All views" is' in card_text(manifest)
    assert "| flat, all views |" in card_text(manifest)
    alone = card_text(replace(manifest, views=1))
    assert "| flat, one view |" in alone
    assert "all views" not in alone.lower()


def test_a_card_without_measurements_is_refused(manifest):
    with pytest.raises(ValueError, match="needs a manifest with measured scores"):
        card_text(replace(manifest, scores=None))


def test_every_decision_has_the_f2_that_its_tags_have(measured):
    truth, scores, fold, report = measured
    f2 = {name: entry.f2 for name, entry in report.decisions.items()}
    assert f2["flat, one view"] == pytest.approx(score.f2(truth, apply_thresholds(scores, 0.2)))
    assert f2["cuts, one view"] == pytest.approx(score.f2(truth, nested_thresholds(scores, truth, fold)))
    assert f2["flat, all views"] == pytest.approx(score.f2(truth, apply_thresholds(1 - scores, 0.2)))
    assert report.f2 == f2["flat, one view"]  # as the bundle will decide
    gain = f2["cuts, one view"] - f2["flat, one view"]
    assert report.gain_of_thresholds.f2 == pytest.approx(gain)
    low, high = report.gain_of_thresholds.interval
    assert low <= gain <= high


def test_the_constant_answer_is_the_same_for_every_chip(measured):
    truth, _, _, report = measured
    expected = score.f2(truth, np.tile(frequent_tags(truth), (len(truth), 1)))
    assert report.decisions["constant answer"].f2 == pytest.approx(expected)

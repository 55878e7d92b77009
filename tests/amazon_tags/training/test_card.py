import numpy as np
import pytest

from amazon_tags.tables import labels
from amazon_tags.training.card import card_text, measure_bundle
from ensemble.decisions.thresholds import apply_thresholds, frequent_tags, nested_thresholds
from ensemble.metrics import folds, score


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    truth = rng.random((300, 17)) < np.linspace(0.05, 0.6, 17)
    scores = np.clip(0.6 * truth + rng.random(truth.shape) * 0.5, 0, 1).astype(np.float32)
    fold = folds.stratify(truth, folds=3)
    return (
        truth,
        scores,
        fold,
        measure_bundle(truth, scores, 1 - scores, fold, labels.PLANET, apply_thresholds(scores, 0.2)),
    )


def story(**changes):
    tuned = {"kind": "tuned", "backbone": "toy", "weights": "none", "freeze": 0.0, "schedule": "cosine", "epochs": 3}
    members = [
        {**tuned, "name": "large", "freeze": 0.25, "teachers": []},
        {**tuned, "name": "small", "teachers": ["large"]},
    ]
    told = {"f2": 0.9, "gain": 0.01, "interval": [0.001, 0.02]}
    return {
        "recipe": {"members": members, "side": 64, "seed": 0, "folds": 5},
        "started_from": {},
        "data": {"chips": 9, "unlabelled": 0, "fingerprint": "f" * 64, "note": ""},
        "views": 8,
        "view_mean": "mean",
        "decoder": "flat",
        "second": {"chosen": "ridge", "trials": {"mean": told, "ridge": told}},
        "shipped": ["large", "small"],
        "front": [],
        "precision": {"auto": "f32", "limit": 0.001, "prices": {}},
        **changes,
    }


def test_the_card_says_how_members_were_made_and_become_one(measured):
    scores = measured[3]
    text = card_text(labels.PLANET, {**story(), "scores": scores})
    assert "`large`: toy, all but the first 25% of its layers trained for 3 epochs from random weights." in text
    assert "`small`: toy, every layer trained for 3 epochs from random weights, with large for teachers." in text
    assert "Their scores become one by two levels of ridge regressions." in text
    assert "| ridge | 0.9000 | +0.0100 | +0.0010 to +0.0200 |" in text


def test_the_card_says_what_is_not_inside_and_what_a_budget_was_held_against(measured):
    front = [{"members": ["small"], "ms": 1.5, "mb": 4.0, "f2": 0.89, "taken": True}]
    data = {"chips": 9, "unlabelled": 70, "fingerprint": "f" * 64, "note": ""}
    text = card_text(labels.PLANET, {**story(shipped=["small"], front=front, data=data), "scores": measured[3]})
    assert "from random weights. Not in here." in text
    assert "Their scores" not in text
    assert "| small | 1.50 | 4.0 | 0.8900 | taken |" in text
    assert "Trained on 9 labelled chips and 70 without labels (fingerprint" in text


def test_every_road_is_what_the_score_says_of_it(measured):
    truth, scores, fold, found = measured
    roads = {name: road["f2"] for name, road in found["roads"].items()}
    assert roads["flat, one view"] == pytest.approx(score.f2(truth, apply_thresholds(scores, 0.2)))
    assert roads["cuts, one view"] == pytest.approx(score.f2(truth, nested_thresholds(scores, truth, fold)))
    assert roads["flat, all views"] == pytest.approx(score.f2(truth, apply_thresholds(1 - scores, 0.2)))
    assert found["f2"] == roads["flat, one view"]  # as the bundle will decide
    gain = roads["cuts, one view"] - roads["flat, one view"]
    assert found["gain_of_cuts"]["f2"] == pytest.approx(gain)
    low, high = found["gain_of_cuts"]["interval"]
    assert low <= gain <= high


def test_the_constant_answer_is_the_same_for_every_chip(measured):
    truth, _, _, found = measured
    expected = score.f2(truth, np.tile(frequent_tags(truth), (len(truth), 1)))
    assert found["roads"]["constant answer"]["f2"] == pytest.approx(expected)

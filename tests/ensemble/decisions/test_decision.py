from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_tags.model.recipe import DECISIONS
from amazon_tags.training import card
from ensemble.decisions import calibrate, tuning
from ensemble.decisions.calibrate import CALIBRATIONS
from ensemble.decisions.decision import (
    DECODERS,
    Decision,
    decide_tags,
    expected_f_changes,
    flat_decision,
    score_thresholds,
)
from ensemble.decisions.expected import Rules


def test_recipes_cards_and_tuning_name_the_decoders_of_the_table():
    assert list(card.DECODERS) == list(DECODERS)
    assert set(tuning.CANDIDATES.values()) == set(DECODERS)
    assert set(DECISIONS) - {"chosen"} <= set(DECODERS)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(["flat", "cuts"]), st.sampled_from(list(CALIBRATIONS)), st.integers(0, 2**32 - 1))
def test_thresholds_of_scores_give_the_tags_of_the_decision(decoder, name, seed):
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.5, 0.5, (60, 3)).astype(np.float32)
    truth = rng.random(scores.shape) < scores
    calibration = calibrate.fit(name, scores, truth, ())
    limits, floors = rng.random((2, 3)).astype(np.float32)
    decision = Decision(calibration, decoder, limits, np.where(floors > 0.5, floors, np.inf), Rules())
    thresholds = score_thresholds(decision)
    near = np.stack([thresholds, np.nextafter(thresholds, np.float32(-1)), np.nextafter(thresholds, np.float32(2))])
    tried = np.concatenate([scores, np.clip(near, 0, 1)])
    assert ((tried >= thresholds) == decide_tags(decision, tried)).all()


def test_tags_that_depend_on_other_labels_have_no_thresholds_of_scores():
    flat = flat_decision(3, rules=Rules())
    assert score_thresholds(flat).tolist() == np.full(3, np.float32(0.2)).tolist()
    assert score_thresholds(replace(flat, decoder="expected")) is None
    assert score_thresholds(replace(flat, calibration=replace(flat.calibration, groups=((0, 1),)))) is None


def test_a_label_that_is_never_a_tag_has_a_threshold_above_every_score():
    decision = replace(flat_decision(2, rules=Rules()), thresholds=np.float32([1.5, 0]))
    assert score_thresholds(decision).tolist() == [np.nextafter(np.float32(1), np.float32(2)), 0]


def test_the_change_of_expected_f2_is_that_of_counting_by_hand():
    """Two independent labels of probability 0.75 and 0.25; F2 of t true, p predicted and h hits is 5 h / (4 t + p)."""
    both, first, second, none = 0.1875, 0.5625, 0.0625, 0.1875
    of_first = both * 5 / 9 + first
    of_both = both + first * 5 / 6 + second * 5 / 6
    decision, scores = flat_decision(2, rules=Rules()), np.float32([[0.75, 0.25]])
    changes = expected_f_changes(decision, scores, np.array([[True, False]]))
    np.testing.assert_allclose(changes, [[none - of_first, of_both - of_first]], atol=1e-12)
    changes = expected_f_changes(decision, scores, np.array([[True, True]]))
    np.testing.assert_allclose(changes, [[both * 5 / 9 + second - of_both, of_first - of_both]], atol=1e-12)

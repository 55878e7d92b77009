"""Properties of decoders and thresholds for random scores, with chips on which nothing is true."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ensemble.decisions import expected
from ensemble.decisions.expected import Rules
from ensemble.decisions.thresholds import apply_thresholds, fit_thresholds
from ensemble.metrics import score
from tests.ensemble.decisions.test_expected import MIX, distribution, worth_of_all

quick = settings(max_examples=60, deadline=None, database=None, derandomize=True)
scores_of = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements=st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)


@st.composite
def rules_of(draw, labels):
    """No rules, one exclusive group, with or without a label alone, or a label alone."""
    if labels < 2 or draw(st.booleans()):
        return draw(st.sampled_from([None, Rules((), (0,))]))
    group = tuple(range(draw(st.integers(2, labels))))
    return Rules((group,), draw(st.sampled_from([(), (group[-1],)])))


@quick
@given(scores_of, st.data(), st.sampled_from([0.5, 1.0, 2.0]))
def test_a_decoder_is_as_good_as_the_best_of_all_answers_with_the_empty_one(scores, data, beta):
    rules = data.draw(rules_of(scores.shape[1]))
    tags, worth = expected.decode(scores, beta=beta, rules=rules, mix=MIX)
    for chip in range(len(scores)):
        answers, chances = distribution(scores[chip].astype(float), rules)
        values = worth_of_all(answers, chances, beta)
        assert not answers[0].any()  # the empty answer is among them
        assert abs(worth[chip] - values.max()) < 1e-9
        assert abs(values[(answers == tags[chip]).all(axis=1)].item() - values.max()) < 1e-9


@quick
@given(scores_of, st.data())
def test_the_expected_f_of_tags_is_the_mean_over_all_truths(scores, data):
    rules = data.draw(rules_of(scores.shape[1]))
    tags = data.draw(arrays.arrays(np.bool_, scores.shape))
    worth = expected.expected_f_beta(scores, tags, rules=rules, mix=MIX)
    for chip in range(len(scores)):
        answers, chances = distribution(scores[chip].astype(float), rules)
        value = worth_of_all(answers, chances, 2)[(answers == tags[chip]).all(axis=1)].item()
        assert abs(worth[chip] - value) < 1e-9


@quick
@given(scores_of, st.data())
def test_fitted_thresholds_lose_neither_to_the_start_nor_to_no_tags(scores, data):
    truth = data.draw(arrays.arrays(np.bool_, scores.shape))
    fitted = score.f2(truth, apply_thresholds(scores, fit_thresholds(scores, truth)))
    assert fitted >= score.f2(truth, apply_thresholds(scores, 0.2)) - 1e-9
    assert fitted >= score.f2(truth, np.zeros_like(truth)) - 1e-9


@quick
@given(arrays.arrays(np.bool_, (7, 1)), arrays.arrays(np.float32, (7, 1), elements=st.floats(0, 1, width=32)))
def test_the_threshold_of_one_label_is_the_best_of_all(truth, scores):
    cuts = [*np.unique(scores), np.float32(2)]
    best = max(score.f2(truth, apply_thresholds(scores, cut)) for cut in cuts)
    assert score.f2(truth, apply_thresholds(scores, fit_thresholds(scores, truth))) >= best - 1e-9


def test_the_brute_force_lists_every_answer():
    answers, chances = distribution(np.array([0.25, 0.5]), None)
    assert [tuple(answer) for answer in answers] == list(itertools.product([False, True], repeat=2))
    assert chances.sum() == 1

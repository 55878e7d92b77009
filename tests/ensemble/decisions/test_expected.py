import itertools

import numpy as np
import pytest

from ensemble.decisions import expected
from ensemble.decisions.expected import Rules

RULES = {
    "none": None,
    "a group": Rules(((0, 1, 2),)),
    "a group with a label alone": Rules(((0, 1, 2),), (1,)),
    "two groups": Rules(((0, 1), (3, 4))),
    "a label alone": Rules((), (0,)),
    "two labels alone": Rules((), (0, 2)),
}
MIX = 0.1


def distribution(marginals, rules):
    """Every answer (answers, labels) and its probability, straight from the models' definitions."""
    labels = len(marginals)
    answers = np.array(list(itertools.product([False, True], repeat=labels)))
    by_itself = np.prod(np.where(answers, marginals, 1 - marginals), axis=1)
    if rules is None:
        return answers, by_itself
    share = marginals.copy()
    for group in map(list, rules.groups):
        total = share[group].sum()
        share[group] = share[group] / total if total else 1 / len(group)
    alone = list(rules.alone)
    if not rules.groups:
        share[alone] /= max(1, share[alone].sum())
    company = 1 - share[alone].sum()
    grouped = {label for group in rules.groups for label in group}
    ruled = np.zeros(len(answers))
    for row, answer in enumerate(answers):
        if answer[alone].any():
            ruled[row] = share[alone] @ answer[alone] if answer.sum() == 1 else 0
        elif company > 0 and all(answer[list(group)].sum() == 1 for group in rules.groups):
            chance = company
            for group in map(list, rules.groups):
                chance *= share[group] @ answer[group] / company
            for label in set(range(labels)) - grouped - set(alone):
                given = min(1, marginals[label] / company)
                chance *= given if answer[label] else 1 - given
            ruled[row] = chance
    return answers, MIX * by_itself + (1 - MIX) * ruled


def worth_of_all(answers, chances, beta):
    """The expected F-beta of every answer, by summing over every truth; F of nothing against nothing is 1."""
    hits = answers.astype(float) @ answers.T
    sizes = answers.sum(axis=1)
    below = beta**2 * sizes[:, None] + sizes
    return chances @ np.divide((1 + beta**2) * hits, below, out=np.ones_like(hits), where=below > 0)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.5, 1, 2, 3])
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("labels", [5, 8, 10])
def test_no_answer_is_better_and_the_expectation_is_exact(labels, rules, beta):
    rng = np.random.default_rng(labels)
    scores = rng.random((7, labels), dtype=np.float32)
    scores[0], scores[1], scores[2], scores[3] = 0, 1, np.round(scores[2]), 0.5
    scores[4] /= 10  # most likely nothing is true
    tags, worth = expected.decode(scores, beta=beta, rules=RULES[rules], mix=MIX)
    again = expected.expected_f_beta(scores, tags, beta=beta, rules=RULES[rules], mix=MIX)
    for chip in range(len(scores)):
        answers, chances = distribution(scores[chip].astype(float), RULES[rules])
        assert chances.sum() == pytest.approx(1)
        values = worth_of_all(answers, chances, beta)
        given = values[(answers == tags[chip]).all(axis=1)].item()
        assert abs(given - values.max()) < 1e-12
        assert abs(worth[chip] - values.max()) < 1e-12
        assert abs(again[chip] - values.max()) < 1e-12


@pytest.mark.parametrize("labels", [1, 2, 3])
def test_few_labels_are_no_special_case(labels):
    scores = np.random.default_rng(0).random((20, labels), dtype=np.float32)
    tags, worth = expected.decode(scores)
    for chip in range(20):
        answers, chances = distribution(scores[chip].astype(float), None)
        assert worth[chip] == pytest.approx(worth_of_all(answers, chances, 2).max(), abs=1e-12)
    assert tags.any()


@pytest.mark.parametrize("rules", RULES)
def test_the_expected_f_of_any_tags_is_exact(rules):
    rng = np.random.default_rng(1)
    scores = rng.random((30, 6), dtype=np.float32)
    tags = rng.random((30, 6)) < 0.4
    tags[0] = False
    worth = expected.expected_f_beta(scores, tags, rules=RULES[rules], mix=MIX)
    for chip in range(30):
        answers, chances = distribution(scores[chip].astype(float), RULES[rules])
        value = worth_of_all(answers, chances, 2)[(answers == tags[chip]).all(axis=1)].item()
        assert worth[chip] == pytest.approx(value, abs=1e-12)


def test_a_chip_of_which_nothing_is_true_gets_no_tags_and_is_right():
    tags, worth = expected.decode(np.zeros((3, 4), np.float32))
    assert not tags.any()
    assert worth.tolist() == [1, 1, 1]


def test_no_tags_are_worth_the_probability_that_nothing_is_true():
    scores = np.float32([[0.25, 0.5]])
    assert expected.expected_f_beta(scores, np.zeros((1, 2), bool)).tolist() == [0.375]
    tags, worth = expected.decode(np.float32([[0.25, 0.25]]))
    assert not tags.any()
    assert worth.tolist() == [0.5625]


def test_of_a_tag_and_no_tag_that_are_worth_the_same_none_is_chosen():
    tags, worth = expected.decode(np.float32([[0.5]]))
    assert not tags.any()
    assert worth.tolist() == [0.5]


def test_rules_with_a_group_leave_no_probability_for_an_empty_chip():
    scores, rules = np.float32([[0.25, 0.75]]), Rules(((0, 1),))
    assert expected.expected_f_beta(scores, np.zeros((1, 2), bool), rules=rules, mix=0.0).tolist() == [0]
    assert expected.decode(scores, rules=rules, mix=0.0)[0].tolist() == [[True, True]]


@pytest.mark.parametrize("seed", range(3))
def test_a_permuted_label_order_permutes_the_tags(seed):
    rng = np.random.default_rng(seed)
    scores = rng.random((50, 9), dtype=np.float32)
    order = rng.permutation(9)
    place = np.argsort(order)
    rules = Rules(((0, 1, 2),), (2,))
    moved = Rules((tuple(int(place[label]) for label in (0, 1, 2)),), (int(place[2]),))
    first, worth = expected.decode(scores, rules=rules)
    second, again = expected.decode(scores[:, order], rules=moved)
    np.testing.assert_array_equal(second, first[:, order])
    np.testing.assert_allclose(worth, again, atol=1e-12)


def test_blocks_do_not_show(monkeypatch):
    scores = np.random.default_rng(2).random((100, 5), dtype=np.float32)
    tags, worth = expected.decode(scores)
    monkeypatch.setattr(expected, "CHIPS_PER_BLOCK", 7)
    in_blocks, again = expected.decode(scores)
    np.testing.assert_array_equal(tags, in_blocks)
    np.testing.assert_allclose(worth, again, atol=1e-14)


def test_near_certainties_lose_no_precision():
    scores = np.float32([[1e-7, 1 - 6e-8, 0.5, 1e-30, 1, 0.5000001] * 3])
    _, worth = expected.decode(scores)
    assert 0 < worth[0] <= 1
    answers, chances = distribution(scores[0, :12].astype(float), None)
    assert expected.decode(scores[:, :12])[1][0] == pytest.approx(worth_of_all(answers, chances, 2).max(), abs=1e-12)

import csv

import numpy as np
import pytest

from ensemble.metrics import folds


def rendered(seed, chips=400, labels=12):
    """Tags whose rates fall from a half to about a hundredth, of every chip its own draw."""
    rng = np.random.default_rng(seed)
    return rng.random((chips, labels)) < np.geomspace(0.5, 0.01, labels)


def unevenness(truth, fold, number):
    """The mean over labels and folds of how far a fold's count is from its share."""
    counts = np.stack([truth[fold == k].sum(axis=0) for k in range(number)])
    return np.abs(counts - truth.sum(axis=0) / number).mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("number", [2, 5, 10])
def test_folds_are_of_one_size_and_far_evener_than_by_chance(seed, number):
    truth = rendered(seed)
    fold = folds.stratify(truth, folds=number, seed=seed)
    assert fold.dtype == np.int64
    sizes = np.bincount(fold, minlength=number)
    assert sizes.max() - sizes.min() <= 0.05 * len(truth)
    chance = np.random.default_rng(seed).permutation(len(truth)) % number
    assert unevenness(truth, fold, number) < unevenness(truth, chance, number) / 3


def test_the_rarest_label_is_spread_over_folds_exactly():
    truth = rendered(0)
    truth[:, -1] = False
    truth[[5, 80, 101, 222, 399], -1] = True
    fold = folds.stratify(truth)
    assert sorted(fold[truth[:, -1]]) == [0, 1, 2, 3, 4]


def test_one_label_is_spread_over_folds_as_evenly_as_can_be():
    truth = np.arange(103)[:, np.newaxis] < 42
    fold = folds.stratify(truth)
    assert sorted(np.bincount(fold[:42])) == [8, 8, 8, 9, 9]
    assert sorted(np.bincount(fold)) == [20, 20, 21, 21, 21]


def test_folds_repeat_with_their_seed_and_change_with_another():
    truth = rendered(1)
    np.testing.assert_array_equal(folds.stratify(truth, seed=3), folds.stratify(truth, seed=3))
    assert (folds.stratify(truth, seed=3) != folds.stratify(truth, seed=4)).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_labels_does_not_matter(seed):
    truth = rendered(seed, chips=60)
    order = np.random.default_rng(seed).permutation(truth.shape[1])
    np.testing.assert_array_equal(folds.stratify(truth, seed=seed), folds.stratify(truth[:, order], seed=seed))


@pytest.mark.parametrize("kind", [int, str])
def test_a_group_stays_together_and_folds_are_evener_than_by_chance(kind):
    ours, chance = [], []
    for seed in range(10):  # one split of 90 lumps can be lucky or not; ours have been 0.54 of chance on average
        truth = rendered(seed)
        rng = np.random.default_rng(seed)
        groups = rng.integers(90, size=len(truth)).astype(kind)
        fold = folds.stratify(truth, groups=groups)
        assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
        names, member = np.unique(groups, return_inverse=True)
        ours.append(unevenness(truth, fold, 5))
        chance.append(unevenness(truth, (rng.permutation(len(names)) % 5)[member], 5))
    assert np.mean(ours) < 0.7 * np.mean(chance)


def test_every_chip_its_own_group_is_no_grouping():
    truth = rendered(3)
    np.testing.assert_array_equal(folds.stratify(truth), folds.stratify(truth, groups=np.arange(len(truth))))


def test_chips_without_tags_fill_the_folds():
    fold = folds.stratify(np.zeros((23, 4), bool), folds=4)
    assert sorted(np.bincount(fold)) == [5, 6, 6, 6]


@pytest.mark.parametrize(("chips", "number"), [(4, 5), (10, 1), (0, 2)])
def test_an_impossible_number_of_folds_is_refused(chips, number):
    with pytest.raises(ValueError, match=f"{chips} chips or groups cannot make {number} folds"):
        folds.stratify(np.zeros((chips, 2), bool), folds=number)


@pytest.mark.parametrize("chips", range(3, 16))
def test_chips_that_can_be_divided_within_folds_are_divided_without_an_error(chips):
    truth = np.random.default_rng(chips).random((chips, 4)) < 0.4
    divides = folds.can_divide(truth, (5, 3, 3))
    assert divides or chips < 10
    assert not divides or chips >= folds.least_units((5, 3, 3))
    for number in range(5) if divides else ():
        rest = truth[folds.stratify(truth) != number]
        inner = folds.stratify(rest, folds=3)
        assert all((inner != part).sum() >= 3 for part in range(3))


def test_groups_of_unequal_sizes_may_leave_too_few_groups():
    groups = np.repeat(np.arange(10), [50, 50, 50, 50, *[1] * 6])
    assert folds.can_divide(np.ones((206, 1), bool), (5, 3, 3))
    assert not folds.can_divide(np.ones((206, 1), bool), (5, 3, 3), groups=groups)


def test_groups_for_other_chips_are_refused():
    with pytest.raises(ValueError, match=r"groups has shape \(3,\) but there are 400"):
        folds.stratify(rendered(0), groups=np.arange(3))


@pytest.mark.real
def test_the_competitions_whole_table_is_stratified_to_a_chip_or_so(real):
    with (real / "planet/train_v2_all_labels.csv").open(newline="") as file:
        rows = [set(row["tags"].split()) for row in csv.DictReader(file)]
    names = sorted(set().union(*rows))
    truth = np.array([[name in row for name in names] for row in rows])
    assert truth.shape == (40118, 17)
    fold = folds.stratify(truth)
    chance = np.random.default_rng(0).permutation(len(truth)) % 5
    assert unevenness(truth, fold, 5) < unevenness(truth, chance, 5) / 10
    assert np.ptp(np.bincount(fold)) <= 10


def test_out_of_fold_scores_come_from_the_fit_that_was_not_trained_on_the_chip():
    fold = np.array([2, 0, 1, 0, 2, 1])
    numbers = []

    def fit(train, held_out):
        assert sorted([*train, *held_out]) == list(range(6))
        numbers.append(fold[held_out[0]])
        return np.stack([held_out / 10, np.full(len(held_out), fold[held_out[0]] / 4)], axis=1).astype(np.float32)

    scores = folds.out_of_fold_scores(fit, fold, 2)
    assert numbers == [0, 1, 2]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[:, 0], np.arange(6) / 10)
    np.testing.assert_allclose(scores[:, 1], fold / 4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((2, 3)), r"scores of shape \(2, 3\); expected \(2, 2\)"),
        (np.array([[0, 0], [0, np.nan]]), "1 scores.*first: nan"),
    ],
)
def test_a_fit_that_returns_no_scores_is_refused(value, text):
    with pytest.raises(ValueError, match=text):
        folds.out_of_fold_scores(lambda train, held_out: value, np.array([0, 1, 0, 1]), 2)


def test_scores_outside_the_range_name_their_chip():
    with pytest.raises(ValueError, match=r"first: 1\.5 for chip 0, label 0"):
        folds.out_of_fold_scores(lambda train, held_out: np.full((len(held_out), 1), 1.5), np.array([0, 1]), 1)


def test_one_fold_leaves_nothing_to_train_on():
    with pytest.raises(ValueError, match="at least 2 folds"):
        folds.out_of_fold(lambda train, held_out: np.zeros((len(held_out), 1)), np.zeros(4, np.int64))


def test_rows_of_any_shape_and_type_come_out_of_fold():
    fold = np.array([1, 0, 1, 2])
    matrices = folds.out_of_fold(lambda train, held_out: np.zeros((len(held_out), 2, 3), bool), fold)
    assert (matrices.shape, matrices.dtype) == ((4, 2, 3), np.bool_)
    np.testing.assert_array_equal(folds.out_of_fold(lambda train, held_out: held_out, fold), np.arange(4))


def test_a_fold_with_another_number_of_rows_is_refused():
    with pytest.raises(ValueError, match=r"Fold 1: fit returned an array of shape \(1, 2\); expected \(2, 2\)"):
        folds.out_of_fold(lambda train, held_out: np.zeros((1, 2)), np.array([0, 1, 1]))


def test_one_fold_is_held_out_and_one_chip_of_few():
    train, held_out = folds.hold_out(rendered(0), folds=5, seed=0)
    assert sorted([*train, *held_out]) == list(range(400))
    assert 70 < len(held_out) < 90
    train, held_out = folds.hold_out(np.ones((3, 1), bool), folds=5, seed=0)
    assert (len(train), len(held_out)) == (2, 1)

import numpy as np
import pytest

from ensemble.metrics import score
from ensemble.second_level import blend
from tests.ensemble.noise import noisy


def random_matrices(seed=0, number=3):
    return list(np.random.default_rng(seed).random((number, 20, 5)).astype(np.float32))


@pytest.fixture
def truth():
    return np.random.default_rng(0).random((300, 5)) < 0.4


def test_the_mean_is_numpys():
    matrices = random_matrices()
    mean = blend.mean(matrices)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, np.mean(matrices, axis=0), rtol=1e-6)


@pytest.mark.parametrize("kind", ["mean", "geometric"])
def test_a_member_alone_or_repeated_is_its_own_mean(kind):
    one = random_matrices()[0]
    for count in (1, 2, 7):
        np.testing.assert_allclose(blend.equal([one] * count, kind).scores([one] * count), one, rtol=1e-5)


def test_the_geometric_mean_is_the_root_of_the_product():
    matrices = random_matrices()
    np.testing.assert_allclose(
        blend.equal(matrices, "geometric").scores(matrices), np.prod(matrices, axis=0) ** (1 / 3), rtol=1e-5
    )
    assert blend.equal(matrices, "geometric").scores([np.zeros((2, 5), np.float32)] * 3).max() < 1e-6


def test_the_mean_of_scores_is_a_score():
    ones = np.ones((4, 3), np.float32)
    for number in range(1, 30):
        for kind in ("mean", "geometric"):
            assert blend.equal([ones] * number, kind).scores([ones] * number).max() <= 1


def test_the_rank_mean_uses_only_the_order_of_a_members_scores():
    matrices = random_matrices()
    bent = [matrix**place for place, matrix in enumerate(matrices, 1)]
    straight, curved = blend.ranked(matrices).scores(matrices), blend.ranked(bent).scores(bent)
    for label in range(5):  # mapped onto another distribution, but in one order
        ours, theirs = (np.argsort(np.argsort(matrix[:, label])) for matrix in (straight, curved))
        assert np.corrcoef(ours, theirs)[0, 1] > 0.98


def test_a_member_with_one_score_for_all_chips_moves_no_mean_of_the_rank_mean():
    matrices = list(np.random.default_rng(0).random((2, 2000, 1)).astype(np.float32))
    matrices[1][:] = 0.25
    mean = blend.ranked(matrices).scores(matrices)
    assert mean.mean() == pytest.approx(np.mean(matrices), abs=0.02)


def test_the_rank_mean_keeps_the_distribution_of_the_mean():
    matrices = list(np.random.default_rng(0).random((3, 2000, 2)).astype(np.float32))
    quantiles = np.linspace(0, 1, 9)
    mean = blend.ranked([matrices[0]] * 3).scores([matrices[0]] * 3)
    np.testing.assert_allclose(
        np.quantile(mean, quantiles, axis=0), np.quantile(matrices[0], quantiles, axis=0), atol=0.01
    )


def test_greedy_selection_never_loses_to_the_best_member_on_its_training_chips(truth):
    matrices = [noisy(truth, noise, seed) for seed, noise in enumerate((1, 2, 3, 8))]
    losses = [score.log_loss(truth, matrix) for matrix in matrices]
    assert score.log_loss(truth, blend.greedy(matrices, truth).scores(matrices)) <= min(losses)
    assert blend.greedy(matrices, truth).weights[3, 0] < 0.1  # next to noise


def test_a_routed_blend_weighs_each_member_by_label(truth):
    halves = [noisy(truth, 1, 0), noisy(truth, 1, 1)]
    halves[0][:, :2] = 0.5
    halves[1][:, 2:] = 0.5
    weights = blend.routed(halves, truth).weights
    assert weights[0, :2].max() < 0.2
    assert weights[0, 2:].min() > 0.8


@pytest.mark.parametrize("fit", [blend.greedy, blend.routed])
def test_weights_sum_to_one_for_each_label(truth, fit):
    matrices = [noisy(truth, noise, noise) for noise in (1, 2, 3)]
    weights = fit(matrices, truth).weights
    assert weights.shape == (3, 5)
    np.testing.assert_allclose(weights.sum(axis=0), 1)


@pytest.mark.parametrize(
    ("matrices", "text"),
    [
        ([], "0 score matrices"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"matrix 1 has shape \(2, 4\)"),
    ],
)
def test_matrices_that_do_not_fit_together_are_refused(matrices, text):
    with pytest.raises(ValueError, match=text):
        blend.mean(matrices)
    with pytest.raises(ValueError, match="2 score matrices were passed for 3 members"):
        blend.equal(random_matrices()).scores(random_matrices()[:2])

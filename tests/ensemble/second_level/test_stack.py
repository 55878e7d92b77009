import numpy as np
import pytest

from ensemble.metrics import score
from ensemble.second_level import blend
from ensemble.second_level.candidates import fit_two_levels
from tests.ensemble.noise import noisy


@pytest.fixture
def truth():
    """Labels of which the second follows the first and the third forbids it."""
    rng = np.random.default_rng(0)
    first = rng.random(600) < 0.5
    return np.stack([first, first & (rng.random(600) < 0.9), ~first], axis=1)


def test_two_levels_let_a_clear_label_correct_a_blurred_one(truth):
    matrices = []
    for seed in (1, 2):
        scores = noisy(truth, 1, seed)
        scores[:, 1:] = noisy(truth, 8, seed + 10)[:, 1:]
        matrices.append(scores)
    train, held_out = slice(0, 400), slice(400, None)
    second = fit_two_levels([matrix[train] for matrix in matrices], truth[train], 0)
    ours = score.log_loss(truth[held_out], second.scores([matrix[held_out] for matrix in matrices]))
    plain = score.log_loss(truth[held_out], blend.mean([matrix[held_out] for matrix in matrices]))
    assert ours < 0.8 * plain


def test_two_levels_trust_the_better_member(truth):
    matrices = [noisy(truth, 1, 1), noisy(truth, 30, 2)]
    second = fit_two_levels(matrices, truth, 0)
    swapped = [matrices[0], matrices[1][::-1]]
    np.testing.assert_allclose(second.scores(swapped), second.scores(matrices), atol=0.1)


@pytest.mark.slow
def test_log_odds_beyond_the_limit_change_nothing(truth):
    matrices = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    second = fit_two_levels(matrices, truth, 0)
    sure = [np.where(matrix > 0.5, 1, 0).astype(np.float32) for matrix in matrices]
    beyond = [np.where(matrix > 0.5, 1 - 1e-5, 1e-5).astype(np.float32) for matrix in matrices]
    np.testing.assert_allclose(second.scores(sure), second.scores(beyond), atol=1e-6)


def test_a_label_that_no_chip_carries_can_be_stacked(truth):
    truth[:, 2] = False
    matrices = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    scores = fit_two_levels(matrices, truth, 0).scores(matrices)
    assert np.isfinite(scores).all()
    assert scores[:, 2].max() < 0.05


def test_another_number_of_members_is_refused(truth):
    matrices = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    with pytest.raises(ValueError, match="1 score matrices were passed for 2 members"):
        fit_two_levels(matrices, truth, 0).scores(matrices[:1])

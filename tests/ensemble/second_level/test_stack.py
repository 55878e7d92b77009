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
    given = []
    for seed in (1, 2):
        scores = noisy(truth, 1, seed)
        scores[:, 1:] = noisy(truth, 8, seed + 10)[:, 1:]
        given.append(scores)
    train, held = slice(0, 400), slice(400, None)
    made = fit_two_levels([matrix[train] for matrix in given], truth[train], 0)
    ours = score.log_loss(truth[held], made.scores([matrix[held] for matrix in given]))
    plain = score.log_loss(truth[held], blend.mean([matrix[held] for matrix in given]))
    assert ours < 0.8 * plain


def test_two_levels_trust_the_better_member(truth):
    given = [noisy(truth, 1, 1), noisy(truth, 30, 2)]
    made = fit_two_levels(given, truth, 0)
    swapped = [given[0], given[1][::-1]]
    np.testing.assert_allclose(made.scores(swapped), made.scores(given), atol=0.1)


def test_certainties_beyond_reach_change_nothing_more(truth):
    given = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    made = fit_two_levels(given, truth, 0)
    sure = [np.where(matrix > 0.5, 1, 0).astype(np.float32) for matrix in given]
    beyond = [np.where(matrix > 0.5, 1 - 1e-5, 1e-5).astype(np.float32) for matrix in given]
    np.testing.assert_allclose(made.scores(sure), made.scores(beyond), atol=1e-6)


def test_a_label_that_no_chip_carries_is_survived(truth):
    truth[:, 2] = False
    given = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    found = fit_two_levels(given, truth, 0).scores(given)
    assert np.isfinite(found).all()
    assert found[:, 2].max() < 0.05


def test_another_number_of_members_is_refused(truth):
    given = [noisy(truth, 1, 1), noisy(truth, 2, 2)]
    with pytest.raises(ValueError, match="1 score matrices were passed for 2 members"):
        fit_two_levels(given, truth, 0).scores(given[:1])

import numpy as np
import pytest

from amazon_tags.model.recipe import SECOND_LEVEL_CHOICES
from amazon_tags.training.card import SECOND_LEVEL_SENTENCES
from ensemble.decisions.thresholds import apply_thresholds
from ensemble.metrics import folds, score
from ensemble.second_level import blend
from ensemble.second_level.candidates import SECOND_LEVELS, choose_second_level, compare_second_levels
from ensemble.second_level.models import SECOND_LEVEL_FILES, pack_second_level, parse_second_level
from ensemble.second_level.names import SECOND_LEVEL_NAMES
from tests.ensemble.noise import noisy


@pytest.fixture(scope="module")
def truth():
    truth = np.random.default_rng(0).random((240, 4)) < 0.5
    truth[:, 0] |= ~truth.any(axis=1)  # a chip without labels would count 0 whatever the tags
    return truth


@pytest.fixture(scope="module")
def fold(truth):
    return folds.stratify(truth, folds=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", SECOND_LEVELS)
def test_every_second_level_gives_scores_and_the_same_bits_after_its_file(truth, name):
    matrices = [noisy(truth, noise, seed) for seed, noise in enumerate((0.5, 1, 2))]
    second = SECOND_LEVELS[name](matrices, truth, 0)
    scores = second.scores(matrices)
    assert (scores.shape, scores.dtype) == (truth.shape, np.float32)
    assert 0 <= scores.min() <= scores.max() <= 1
    assert score.f2(truth, apply_thresholds(scores, 0.2)) > 0.9
    file, content = pack_second_level(second)
    assert file in SECOND_LEVEL_FILES
    np.testing.assert_array_equal(parse_second_level(file, content, 3).scores(matrices), scores)
    assert pack_second_level(second)[1] == content


@pytest.mark.parametrize("name", SECOND_LEVELS)
def test_a_chips_score_does_not_depend_on_the_chips_beside_it(truth, name):
    matrices = [noisy(truth, noise, noise) for noise in (1, 2)]
    second = SECOND_LEVELS[name](matrices, truth, 0)
    alone = second.scores([matrix[7:8] for matrix in matrices])
    np.testing.assert_allclose(alone, second.scores(matrices)[7:8], atol=1e-6)


@pytest.mark.slow
def test_among_equals_the_mean_stays(truth, fold):
    matrices = [noisy(truth, 2, 0)] * 3  # already the true log odds: no second level can improve on them
    chosen = choose_second_level(matrices, truth, fold)
    assert chosen.name == "mean"
    assert chosen.trials["mean"].gain == 0
    np.testing.assert_array_equal(chosen.second.scores(matrices), blend.mean(matrices))


@pytest.mark.slow
def test_a_member_that_misleads_is_left_out_by_the_chosen_second_level(truth, fold):
    matrices = [noisy(truth, 1, 0), noisy(~truth, 1, 1), noisy(~truth, 1, 2)]
    chosen = choose_second_level(matrices, truth, fold)
    assert chosen.name != "mean"
    assert chosen.choice.interval[0] > 0  # also on chips held out from the choice
    assert score.f2(truth, apply_thresholds(chosen.second.scores(matrices), 0.2)) > 0.9


@pytest.mark.slow
def test_held_out_scores_never_come_from_a_fit_on_the_chip(truth, fold):
    """Where the truth of a fold is inverted over, the scores that it is matrices stay what they were."""
    matrices = [noisy(truth, 2, seed) for seed in range(3)]
    inverted = truth.copy()
    inverted[fold == 1] = ~inverted[fold == 1]
    for name in ("greedy", "ridge"):
        first, other = (
            compare_second_levels(matrices, part, fold, names=[name])[name].scores for part in (truth, inverted)
        )
        np.testing.assert_array_equal(first[fold == 1], other[fold == 1])
        assert not np.array_equal(first, other)


def test_recipes_and_cards_have_every_second_level():
    assert list(SECOND_LEVEL_NAMES) == list(SECOND_LEVELS)
    assert list(SECOND_LEVEL_CHOICES) == [*SECOND_LEVELS, "chosen"]
    assert list(SECOND_LEVEL_SENTENCES) == list(SECOND_LEVELS)

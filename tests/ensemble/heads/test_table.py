import numpy as np
import pytest

from ensemble.heads import fitted
from ensemble.heads.table import HEADS
from ensemble.metrics import score
from ensemble.networks import settings
from tests.ensemble.heads.labelled_vectors import ALL, ALL_BUT_ONE, NONE, ONE, rendered

NAMES = list(HEADS)


def test_recipes_accept_exactly_the_heads_of_the_table():
    assert list(settings.HEADS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_probabilities_of_the_right_shape(trained, name):
    vectors, _ = rendered(1)
    scores = trained[name].scores(vectors * 50)  # far outside the training vectors
    assert scores.shape == (80, 8)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert trained[name].scores(vectors[:0]).shape == (0, 8)


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_follow_from_the_vectors_are_learned(name):
    vectors, truth = rendered(2, chips=400)
    head = HEADS[name](vectors[:300], truth[:300, :4], 0)
    scores = head.scores(vectors[300:]).astype(np.float64)
    assert score.mean_average_precision(truth[300:, :4], scores) > 0.85
    loss = -np.log(np.where(truth[300:, :4], scores, 1 - scores)).mean()
    rates = truth[:300, :4].mean(axis=0)
    assert loss < 0.7 * -np.log(np.where(truth[300:, :4], rates, 1 - rates)).mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_label_that_none_or_all_carry_keeps_its_smoothed_rate(trained, name):
    scores = trained[name].scores(rendered(3)[0])
    np.testing.assert_allclose(scores[:, NONE], 0.5 / 81, rtol=1e-5)
    np.testing.assert_allclose(scores[:, ALL], 80.5 / 81, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_label_of_one_chip_stays_rare(trained, name):
    scores = trained[name].scores(rendered(3)[0])
    assert scores[:, ONE].mean() < 0.2
    assert scores[:, ALL_BUT_ONE].mean() > 0.8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 3), (2, 3), (3, 40), (7, 1), (12, 50)])
def test_few_chips_are_enough_to_fit(name, shape):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=shape).astype(np.float32)
    truth = rng.random((shape[0], 6)) < 0.4
    scores = HEADS[name](vectors, truth, 0).scores(vectors)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_equal_vectors_give_every_label_its_rate(name):
    vectors = np.full((20, 5), 0.3, np.float32)
    truth = np.arange(20)[:, np.newaxis] < np.array([0, 1, 10, 20])
    scores = HEADS[name](vectors, truth, 0).scores(vectors)
    assert (scores == scores[:1]).all()
    tolerance = 0.2 if name == "neighbours" else 0.03  # all chips are equally near, and the nearest are any of them
    np.testing.assert_allclose(scores[0], (np.array([0, 1, 10, 20]) + 0.5) / 21, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_fitting_again_gives_the_same_file(trained, name):
    assert HEADS[name](*rendered(), 0).pack() == trained[name].pack()


@pytest.mark.parametrize("name", NAMES)
def test_a_permuted_label_order_permutes_the_scores(trained, name):
    vectors, truth = rendered()
    order = np.random.default_rng(5).permutation(8)
    scores = HEADS[name](vectors, truth[:, order], 0).scores(vectors)
    np.testing.assert_allclose(scores, trained[name].scores(vectors)[:, order], atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_chips_score_does_not_depend_on_the_chips_beside_it(trained, name):
    vectors, _ = rendered(6)
    alone = np.concatenate([trained[name].scores(vector[np.newaxis]) for vector in vectors])
    np.testing.assert_allclose(trained[name].scores(vectors), alone, atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "ridge", "svm", "neighbours"])
def test_shifted_and_scaled_vectors_make_the_same_head(trained, name):
    vectors, truth = rendered()
    moved = (vectors * np.float32(4) + np.float32(8)).astype(np.float32)
    scores = HEADS[name](moved, truth, 0).scores(moved)
    np.testing.assert_allclose(scores, trained[name].scores(vectors), atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_that_save_memory_change_nothing(trained, name, monkeypatch):
    vectors, _ = rendered(7)
    whole = trained[name].scores(vectors)
    monkeypatch.setattr(fitted, "CHIPS_PER_BLOCK", 7)
    np.testing.assert_allclose(trained[name].scores(vectors), whole, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_shapes_types_and_values_are_refused(trained, name):
    vectors, truth = rendered()
    with pytest.raises(ValueError, match=r"vectors have shape \(79, 12\) and truth \(80, 8\)"):
        HEADS[name](vectors[1:], truth, 0)
    with pytest.raises(TypeError, match="float64; it must be bool"):
        HEADS[name](vectors, truth.astype(np.float64), 0)
    with pytest.raises(ValueError, match=r"\(80, 11\), but the head expects \(chips, 12\)"):
        trained[name].scores(vectors[:, 1:])
    vectors[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"1 of 80 vectors are not finite \(first: row 3\)"):
        trained[name].scores(vectors)


@pytest.mark.parametrize("name", ["forest", "boosted"])
def test_another_seed_grows_other_trees(trained, name):
    assert HEADS[name](*rendered(), 1).pack() != trained[name].pack()

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from ensemble.metrics import score
from ensemble.networks import losses
from ensemble.networks.settings import LOSSES
from features.initialisation.gradients import value_and_gradients

GROUPS = ((0, 1, 2),)


def examples(seed=0, chips=6, labels=5):
    rng = np.random.default_rng(seed)
    truth = rng.random((chips, labels)) < 0.4
    return truth, rng.uniform(0.05, 0.95, truth.shape).astype(np.float32)


def values(loss, targets, probabilities):
    losses_of_chips = loss(ops.convert_to_tensor(targets, "float32"), ops.convert_to_tensor(probabilities, "float32"))
    return ops.convert_to_numpy(losses_of_chips)


def test_binary_cross_entropy_is_keras_own():
    truth, probabilities = examples()
    expected = keras.losses.binary_crossentropy(truth.astype(np.float32), probabilities)
    np.testing.assert_allclose(values(losses.cross_entropy, truth, probabilities), expected, rtol=1e-5)


def test_the_squared_error_is_that_of_brier():
    truth, probabilities = examples()
    np.testing.assert_allclose(
        values(losses.squared_error, truth, probabilities), np.square(truth - probabilities).mean(axis=1), rtol=1e-6
    )
    assert values(losses.squared_error, np.array([[1, 0, np.nan]]), np.array([[0.5, 0.1, 0.9]])) == pytest.approx(0.13)


def test_the_softmax_loss_is_the_cross_entropy_of_two_distributions():
    truth, probabilities = examples()
    targets, predicted = (part / part.sum(axis=1, keepdims=True) for part in (truth + 0.1, probabilities))
    loss = losses.make("cross_entropy", groups=(tuple(range(5)),))
    np.testing.assert_allclose(
        5 * values(loss, targets, predicted), -(targets * np.log(predicted)).sum(axis=1), rtol=1e-5
    )


def test_a_group_has_a_categorical_loss_and_the_rest_a_binary_one():
    truth, probabilities = examples()
    probabilities[:, :3] /= probabilities[:, :3].sum(axis=1, keepdims=True)
    group = -(truth * np.log(probabilities))[:, :3].sum(axis=1)
    rest = -np.log(np.where(truth, probabilities, 1 - probabilities))[:, 3:].sum(axis=1)
    loss = losses.make("cross_entropy", groups=GROUPS)
    np.testing.assert_allclose(values(loss, truth, probabilities), (group + rest) / 5, rtol=1e-5)


@pytest.mark.parametrize("groups", [(), GROUPS, ((0, 1, 2, 3, 4),)])
def test_the_cross_entropy_of_logits_is_that_of_their_scores_and_has_gradients_everywhere(groups):
    truth, probabilities = examples()
    targets = np.where(probabilities < 0.1, np.nan, truth) if not groups else truth.astype(np.float32)
    logits = np.log(probabilities / (1 - probabilities))
    for group in groups:
        exponents = np.exp(logits[:, list(group)])
        probabilities[:, list(group)] = exponents / exponents.sum(axis=1, keepdims=True)
    loss = partial(losses.cross_entropy_of_logits, groups=groups)
    expected = values(losses.make("cross_entropy", groups=groups), targets, probabilities)
    np.testing.assert_allclose(values(loss, targets, logits), expected, rtol=1e-4)

    wrong = np.where(truth, -1e3, 1e3)
    _, (slopes,) = value_and_gradients(
        lambda tensors: ops.sum(loss(ops.convert_to_tensor(truth, "float32"), tensors[0])),
        [ops.convert_to_tensor(wrong, "float32")],
    )
    assert ops.convert_to_numpy(slopes)[truth.any(axis=1)].any(axis=1).all()


def test_soft_f2_of_certain_scores_is_the_f2_of_their_tags():
    truth, probabilities = examples(chips=50)
    tags = probabilities > 0.5
    chips = truth.any(axis=1)
    expected = 1 - score.per_chip(truth, tags)
    np.testing.assert_allclose(values(losses.soft_fbeta, truth, tags)[chips], expected[chips], rtol=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_gradients_equal_finite_differences(name):
    truth, probabilities = examples(chips=3)
    targets = ops.convert_to_tensor(truth, "float32")
    loss = losses.make(name)

    class Constant(keras.Layer):
        def __init__(self):
            super().__init__()
            self.point = self.add_weight(shape=probabilities.shape, initializer="zeros")

        def call(self, pixels):
            return pixels * 0 + self.point

    constant = Constant()
    model = keras.Sequential([keras.Input(batch_shape=(3, 5)), constant])
    constant.set_weights([probabilities])
    model.compile(
        keras.optimizers.SGD(1.0), loss=lambda true, predicted: 3 * loss(true, predicted)
    )  # mean over 3 chips
    model.train_on_batch(np.zeros((3, 5), np.float32), ops.convert_to_numpy(targets))
    gradient = probabilities - constant.get_weights()[0]
    step = 1e-2
    for chip in range(3):
        for label in range(5):
            moved = [probabilities.copy(), probabilities.copy()]
            moved[0][chip, label] += step
            moved[1][chip, label] -= step
            ends = [values(loss, truth, point).sum(dtype=np.float64) for point in moved]
            assert gradient[chip, label] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.03, abs=2e-3)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_unknown_labels_change_no_loss(name):
    truth, probabilities = examples()
    targets = truth.astype(np.float32)
    targets[:, 2] = np.nan
    other = probabilities.copy()
    other[:, 2] = 0.5
    loss = losses.make(name, smoothing=0.1)
    np.testing.assert_array_equal(values(loss, targets, probabilities), values(loss, targets, other))
    assert np.isfinite(values(loss, np.full_like(targets, np.nan), probabilities)).all()


def test_a_groups_known_labels_share_what_its_unknown_one_is_not_predicted():
    loss = losses.make("cross_entropy", groups=((0, 1, 2),))
    targets = np.array([[1, np.nan, 0]], np.float32)
    predicted = [
        values(loss, targets, np.array([[0.9 * (1 - unknown), unknown, 0.1 * (1 - unknown)]])) for unknown in (0.1, 0.8)
    ]
    np.testing.assert_allclose(predicted, -np.log(0.9) / 2, rtol=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_truth_is_better_than_its_opposite(name):
    truth, _ = examples(chips=20)
    truth[:, 0] = True
    right, wrong = (values(losses.make(name), truth, part).mean() for part in (truth, ~truth))
    assert right < 0.01 < wrong


def test_an_absent_label_that_is_easy_counts_nothing_in_the_asymmetric_loss():
    none = np.zeros((1, 2))
    easy, hard = (values(losses.asymmetric, none, np.full((1, 2), predicted))[0] for predicted in (0.04, 0.9))
    assert easy == 0
    assert hard > 0.5


def test_smoothing_moves_targets_towards_even_ones():
    truth, probabilities = examples()
    smooth = values(losses.make("cross_entropy", smoothing=0.2), truth, probabilities)
    np.testing.assert_allclose(smooth, values(losses.cross_entropy, 0.8 * truth + 0.1, probabilities), rtol=1e-5)
    grouped = losses.make("cross_entropy", groups=GROUPS, smoothing=0.3)
    targets = 0.7 * truth + np.array([0.1, 0.1, 0.1, 0.15, 0.15])
    expected = values(losses.make("cross_entropy", groups=GROUPS), targets, probabilities)
    np.testing.assert_allclose(values(grouped, truth, probabilities), expected, rtol=1e-5)


def test_a_positive_weight_weighs_what_holds():
    truth, probabilities = examples()
    weighted = values(losses.make("cross_entropy", positive=3.0), truth, probabilities)
    single = values(losses.cross_entropy, truth, probabilities)
    holding = -np.where(truth, np.log(probabilities), 0).mean(axis=1)
    np.testing.assert_allclose(weighted, single + 2 * holding, rtol=1e-5)


def test_a_recipe_may_name_every_loss():
    assert list(LOSSES) == list(losses.LOSSES)

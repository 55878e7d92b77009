"""BYOL: the schedule of its target, the range of its loss, and what gets gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from features.initialisation.gradients import value_and_gradients
from features.pretraining.bootstrap import Bootstrap, distance, momentum

RNG = np.random.default_rng(0)


def small_model(steps=10, accumulate=1):
    pixels = keras.Input((4, 4, 3))
    encoder = keras.Model(pixels, keras.layers.Dense(6, name="only")(keras.layers.Flatten()(pixels)))
    return Bootstrap(encoder, steps, accumulate)


def pairs(count=5):
    return RNG.normal(size=(count, 2, 4, 4, 3)).astype(np.float32)


@pytest.mark.parametrize(("step", "value"), [(0, 0.996), (250, 0.9965858), (500, 0.998), (1000, 1.0)])
def test_the_momentum_follows_the_cosine_of_the_paper(step, value):
    assert float(momentum(step, 1000)) == pytest.approx(value, abs=1e-7)


def test_the_loss_of_a_chip_is_0_for_identical_vectors_and_8_for_opposite_ones():
    vectors = RNG.normal(size=(7, 5)).astype(np.float32)
    np.testing.assert_allclose(distance(vectors, 3 * vectors), 0, atol=1e-6)
    np.testing.assert_allclose(2 * distance(vectors, -vectors), 8, rtol=1e-6)
    losses = ops.convert_to_numpy(small_model()(pairs()))[:, 0]
    assert ((losses >= 0) & (losses <= 8)).all()


def test_the_loss_is_the_sum_over_both_directions():
    model, batch = small_model(), pairs()
    swapped = ops.convert_to_numpy(model(batch[:, ::-1]))[:, 0]
    np.testing.assert_allclose(ops.convert_to_numpy(model(batch))[:, 0], swapped, rtol=1e-5)


def test_the_target_gets_no_gradient():
    predicted, target = (ops.convert_to_tensor(RNG.normal(size=(3, 4)).astype(np.float32)) for _ in range(2))
    _, gradients = value_and_gradients(lambda both: ops.sum(distance(*both)), [predicted, target])
    assert np.abs(ops.convert_to_numpy(gradients[0])).max() > 0
    np.testing.assert_array_equal(ops.convert_to_numpy(gradients[1]), 0)
    model = small_model()
    assert not {id(value) for value in model.targets} & {id(value) for value in model.trainable_variables}
    assert len(model.targets) == len(model.online.trainable_variables)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_target_moves_after_each_step_towards_the_network(accumulate):
    model, batch = small_model(steps=10, accumulate=accumulate), pairs()
    kernel = model.encoder.get_layer("only").kernel
    place = [id(variable) for variable in model.online.trainable_variables].index(id(kernel))
    expected = np.array(kernel)
    for number in range(9):
        step, rest = divmod(number, accumulate)
        if step and not rest:  # an optimizer has taken a step between these batches
            kernel.assign(np.array(kernel) + 1)
            stays = float(momentum(step - 1, 10))
            expected = stays * expected + (1 - stays) * np.array(kernel)
        model(batch, training=True)
        np.testing.assert_allclose(np.array(model.targets[place]), expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(expected, np.array(kernel))


def test_an_answer_without_training_does_not_move_the_target():
    model, batch = small_model(), pairs()
    for variable in model.online.trainable_variables:
        variable.assign(np.array(variable) + 1)
    before = [np.array(target) for target in model.targets]
    model(batch, training=False)
    assert all(np.array_equal(old, np.array(new)) for old, new in zip(before, model.targets, strict=True))

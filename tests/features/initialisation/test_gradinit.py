"""Test GradInit: its descent against finite differences, what it leaves as it is, and a start that it rescues."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops

from features.initialisation import gradinit, redraw
from features.initialisation.gradinit import FirstStep
from features.initialisation.start import Start
from tests.features.initialisation.backends import NEEDS_JAX, printed_on_both

SIDE, CLASSES, RATE = 12, 4, 0.03


def squared(targets, predictions):
    return ops.mean((targets - predictions) ** 2, axis=-1)


def softmax_loss(targets, logits):
    return -ops.sum(targets * ops.log_softmax(logits), axis=-1)


def images_of_classes(count=256):
    """Return noise whose colour says which class an image is of, and the classes (count, classes)."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, CLASSES, count)
    images = rng.standard_normal((count, SIDE, SIDE, 3)).astype(np.float32)
    images[..., 0] += (numbers % 2)[:, None, None]
    images[..., 1] += (numbers // 2)[:, None, None]
    return images, np.eye(CLASSES, dtype=np.float32)[numbers]


def batches(seed=0, size=32):
    images, targets = images_of_classes()
    rng = np.random.default_rng(seed)
    while True:
        rows = rng.choice(len(images), size, replace=False)
        yield images[rows], targets[rows]


def plain_network(gain=1.0, depth=6, norm=False):
    """Return convolutions from a random start, with kernels `gain` times as large, and without norms if not stated."""
    keras.utils.set_random_seed(0)
    maps = image = keras.Input((SIDE, SIDE, 3))
    for number in range(depth):
        maps = layers.Conv2D(12, 3, strides=2 if number == 2 else 1, padding="same")(maps)
        maps = layers.ReLU()(layers.BatchNormalization()(maps) if norm else maps)
    network = keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(maps)))
    redraw.redraw(network, Start("random"), lambda: network)
    for variable in network.trainable_variables:
        variable.assign(gain * np.array(variable))
    return network


def step_of(network, *, is_adam=False):
    bound = np.log(CLASSES) / RATE
    return FirstStep(is_adam, (RATE,) * len(network.trainable_variables), bound if is_adam else bound**0.5)


def trained_loss(network):
    """Return the loss of each epoch of SGD."""
    network.compile(keras.optimizers.SGD(RATE), loss=softmax_loss)
    return network.fit(*images_of_classes(), batch_size=32, epochs=12, verbose=0, shuffle=False).history["loss"]


@pytest.mark.slow
def test_a_start_that_diverges_is_rescued():
    assert not np.isfinite(trained_loss(plain_network(gain=4.0, depth=8))).any()
    network = plain_network(gain=4.0, depth=8)
    gradinit.scale_weights(network, softmax_loss, batches(), step_of(network))
    assert trained_loss(network)[-1] < 0.75 * np.log(CLASSES)


@pytest.mark.parametrize("is_adam", [False, True])
def test_directions_offsets_and_statistics_stay_and_factors_have_a_lower_bound(is_adam):
    network = plain_network(gain=4.0, depth=3, norm=True)
    before = {variable.path: np.array(variable, np.float64) for variable in network.variables}
    factors = gradinit.scale_weights(network, softmax_loss, batches(), step_of(network, is_adam=is_adam), steps=20)

    assert [path.rpartition("/")[2] for path in factors] == ["kernel", "gamma"] * 3 + ["kernel"]
    assert min(factors.values()) >= gradinit.MIN_FACTOR
    assert len(set(factors.values())) == len(factors)
    for variable in network.variables:
        value = np.array(variable, np.float64)
        factor = factors.get(variable.path, 1.0)
        np.testing.assert_allclose(value, factor * before[variable.path], rtol=1e-6)
        if value.any():
            cosine = (
                (value * before[variable.path]).sum() / np.linalg.norm(value) / np.linalg.norm(before[variable.path])
            )
            assert cosine == pytest.approx(1, abs=1e-6)


def test_a_factor_cannot_fall_below_its_lower_bound():
    network = plain_network(depth=1)
    step = FirstStep(is_adam=False, rates=(RATE,) * 4, bound=0.0)  # gradients are always too large
    factors = gradinit.scale_weights(network, softmax_loss, batches(), step, steps=300)
    assert min(factors.values()) == pytest.approx(gradinit.MIN_FACTOR)


def test_the_same_batches_give_the_same_factors_and_one_more_is_read_than_steps():
    factors = []
    for seed in (1, 1, 2):
        network, stream = plain_network(), itertools.islice(batches(seed), 4)
        factors.append(gradinit.scale_weights(network, softmax_loss, stream, step_of(network), steps=3))
        assert next(stream, None) is None
    assert list(factors[0].values()) == list(factors[1].values()) != list(factors[2].values())


def chain_of_two(first, second):
    """Return the network second * first * x."""
    number = keras.Input((1,))
    hidden = layers.Dense(1, use_bias=False)(number)
    network = keras.Model(number, layers.Dense(1, use_bias=False)(hidden))
    network.set_weights([np.full((1, 1), first), np.full((1, 1), second)])
    return network


@pytest.mark.parametrize("is_adam", [False, True])
@pytest.mark.parametrize("is_over", [False, True])
def test_factors_descend_on_the_norm_above_the_bound_and_else_on_the_loss_after_one_step(is_adam, is_over):
    weights, rates = np.array([0.7, -1.3]), np.array([0.05, 0.02])
    stream = [
        (np.array([[1.0], [2.0]]), np.array([[0.5], [1.0]])),
        (np.array([[3.0], [9.0]]), np.array([[2.0], [9.0]])),
    ]
    stream = [tuple(part.astype(np.float32) for part in batch) for batch in stream]
    (first, targets), (other, other_targets) = stream
    second, second_targets = np.array([first[1], other[0]]), np.array([targets[1], other_targets[0]])

    def gradients(values, x, y):
        error = 2 * (values.prod() * x - y) * x
        return np.array([(error * values[1]).mean(), (error * values[0]).mean()])

    def objective(factors):
        values = factors * weights
        slope = gradients(values, first, targets)
        if is_over:
            return np.abs(slope).sum() if is_adam else np.linalg.norm(slope)
        after = values - rates * (np.sign(slope) if is_adam else slope)
        return ((after.prod() * second - second_targets) ** 2).mean()

    ends = [[objective(np.ones(2) + side * unit) for side in (-1e-5, 1e-5)] for unit in np.eye(2)]
    descent = -np.array([high - low for low, high in ends])
    expected = 1 + gradinit.FACTOR_RATE * descent / np.sqrt(np.mean(descent**2))

    step = FirstStep(is_adam, tuple(rates), bound=0.0 if is_over else 1e9)
    factors = gradinit.scale_weights(chain_of_two(*weights), squared, iter(stream), step, steps=1)
    np.testing.assert_allclose(list(factors.values()), expected, rtol=1e-4)


def test_gradients_that_are_not_finite_are_refused():
    network = plain_network(gain=1e30)
    with pytest.raises(FloatingPointError, match="start grad are not finite; use the start auto or random"):
        gradinit.scale_weights(network, softmax_loss, batches(), step_of(network))


@NEEDS_JAX
@pytest.mark.slow
def test_jax_and_tensorflow_learn_the_same_factors():
    script = """
from tests.features.initialisation.test_gradinit import *
network = plain_network(gain=2.0, depth=3, norm=True)
print(*gradinit.scale_weights(network, softmax_loss, batches(), step_of(network), steps=5).values())
"""
    shown = printed_on_both(script)
    first, second = ([float(word) for word in text.split()] for text in shown)
    assert len(first) == 7
    np.testing.assert_allclose(first, second, atol=1e-3)

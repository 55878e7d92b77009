"""Test members that start from redrawn weights: training, resuming, and the network that is left for prediction."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from ensemble.networks.build import build_network
from ensemble.networks.scaled_start import first_step, scale_start
from ensemble.networks.settings import TunedMember
from ensemble.networks.train import compile_network, constant_answer_loss, fit_network
from features.networks.backbones import settled_backbones
from tests.ensemble.networks.toy_member import SPEC, pixels_of

RANDOM = TunedMember(
    "net", "mobilenet_v2_035", layer="block_1_project_BN", weights="none", init="random", epochs=2, batch=8
)


@pytest.fixture(scope="module")
def trained(source):
    states = []
    model = fit_network(RANDOM, source, seed=3, after_epoch=lambda epoch, loss, state: states.append(state))
    return model, states


def test_a_seed_determines_the_start(source):
    settings = TunedMember("net", "cbr_tiny", init="random", batch=8)
    first, again, other = (
        compile_network(settings, source, np.full(3, 0.5), seed=seed).get_weights() for seed in (1, 1, 2)
    )
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.isin(first[0], other[0]).any()


@pytest.mark.slow
def test_a_trained_network_has_no_live_norm_and_is_the_one_that_is_rebuilt(trained, source):
    model, _ = trained
    rebuilt = build_network(replace(RANDOM, init="imagenet"), SPEC, np.full(3, 0.5))
    (inside,) = (trunk.network for trunk in settled_backbones(model))
    assert not [layer for layer in inside.layers if isinstance(layer, layers.BatchNormalization)]
    rebuilt.set_weights(model.get_weights())
    assert np.array_equal(*(network.predict_on_batch(pixels_of(source)) for network in (model, rebuilt)))


@pytest.mark.slow
def test_a_trained_network_answers_as_the_one_that_was_trained(trained, source):
    model, states = trained
    live = compile_network(RANDOM, source, np.full(3, 0.5), seed=3)
    for position, variable in enumerate(live.variables):
        variable.assign(states[-1][f"{position}"])
    means = [variable for variable in live.non_trainable_variables if variable.path.endswith("moving_mean")]
    assert len(means) == 6 and all(keras.ops.convert_to_numpy(mean).any() for mean in means)
    expected = live.predict_on_batch(pixels_of(source))
    np.testing.assert_allclose(model.predict_on_batch(pixels_of(source)), expected, atol=1e-5)


@pytest.mark.slow
def test_a_resumed_training_ends_in_the_same_weights(trained, source):
    model, states = trained
    resumed = fit_network(RANDOM, source, seed=3, state=states[0])
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), resumed.get_weights(), strict=True))


@pytest.mark.slow
def test_a_small_plain_network_learns_from_nothing(source):
    losses = []
    settings = TunedMember("net", "cbr_tiny", init="random", epochs=6, batch=8, shrink=2)
    fit_network(settings, source, after_epoch=lambda epoch, loss, state: losses.append(loss))
    assert losses[-1] < constant_answer_loss(settings, source)


SCALED = TunedMember("net", "toy", init="grad", epochs=2, batch=8, rate=3e-3)


def test_the_start_grad_is_a_random_one_with_scaled_kernels_and_the_same_head_bias(source):
    rates = np.full(3, 0.5)
    drawn = compile_network(SCALED, source, rates, seed=3)
    plain = compile_network(replace(SCALED, init="random"), source, rates, seed=3)
    assert all(np.array_equal(*pair) for pair in zip(drawn.get_weights(), plain.get_weights(), strict=True))

    rests = []
    for _ in range(2):
        model = compile_network(SCALED, source, rates, seed=3)
        step = first_step((3e-3,) * 6, 0.6, is_adam=True)
        scale_start(model, SCALED, source, groups=(), step=step, seed=3)
        rests.append(model.get_weights())
    assert all(np.array_equal(*pair) for pair in zip(*rests, strict=True))
    factors = [new.sum() / old.sum() for new, old in zip(rests[0], plain.get_weights(), strict=True) if old.ndim > 1]
    assert len({1.0, *factors}) == 4 and min(factors) > 0.01
    np.testing.assert_array_equal(rests[0][-1], plain.get_weights()[-1])


@pytest.mark.slow
def test_a_network_that_starts_from_grad_resumes_to_the_same_weights(source):
    settings, states = replace(SCALED, output="grouped", progressive=0.5, ema=0.9), []
    model = fit_network(
        settings, source, ((0, 1),), seed=3, after_epoch=lambda epoch, loss, state: states.append(state)
    )
    resumed = fit_network(settings, source, ((0, 1),), seed=3, state=states[0])
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), resumed.get_weights(), strict=True))
    other = fit_network(replace(settings, init="random"), source, ((0, 1),), seed=3)
    assert not any(np.array_equal(*pair) for pair in zip(model.get_weights(), other.get_weights(), strict=True))


def test_the_first_step_of_sgd_is_bounded_by_the_root_of_that_of_adam():
    assert first_step((0.1, 0.02), 0.4, is_adam=True).bound == pytest.approx(4)
    assert first_step((0.1, 0.02), 0.4, is_adam=False).bound == pytest.approx(2)

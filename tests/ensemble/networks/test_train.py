from dataclasses import replace

import keras
import numpy as np
import pytest

from ensemble.networks.batches import BatchSource
from ensemble.networks.build import layer_positions
from ensemble.networks.settings import SCHEDULES, TunedMember
from ensemble.networks.train import compile_network, constant_answer_loss, epoch_count, fit_network
from features.images.spec import ChipSpec
from tests.ensemble.networks.toy_member import SETTINGS, SPEC, pixels_of, untrained_network

GROUPS = ((0, 1),)


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"output": "grouped", "loss": "soft_fbeta"},
        {"output": "softmax"},
        {"loss": "asymmetric", "pool": "both"},
        {"falloff": 0.1, "smoothing": 0.05, "positive": 2.0},
        {"sees": "dehazed", "shrink": 2},
        {"progressive": 0.5},
    ],
    ids=str,
)
def test_every_kind_of_training_lowers_its_loss(source, changes):
    losses = []
    longer = replace(SETTINGS, epochs=4, rate=1e-2, **changes)
    fit_network(longer, source, GROUPS, after_epoch=lambda epoch, loss, state: losses.append(loss))
    assert len(losses) == longer.epochs
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_scores_of_a_softmax_over_all_labels_are_scaled_to_the_labels_of_a_mean_chip(source):
    model = fit_network(replace(SETTINGS, output="softmax"), source)
    scores = model.predict_on_batch(pixels_of(source))
    assert scores.max() <= 1
    sums = scores.sum(axis=1)
    assert sums.max() == pytest.approx((source.targets.sum(axis=0) + 0.5).sum() / 49, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("freeze", "moving"), [(0.0, "edges shapes labels"), (0.5, "shapes labels"), (1.0, "labels")])
def test_training_moves_every_layer_but_the_frozen_ones(source, freeze, moving):
    settings = replace(SETTINGS, freeze=freeze)
    keras.utils.set_random_seed(0)
    before = compile_network(settings, source, np.full(3, 0.3))
    after = fit_network(settings, source)
    kernels = [[value for value in model.get_weights() if value.ndim > 1] for model in (before, after)]
    moved = [not np.array_equal(first, last) for first, last in zip(*kernels, strict=True)]
    assert moved == [name in moving for name in ("edges", "shapes", "labels")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer", "side", "frozen"),
    [
        ("dinov2_vits14", "block2", 56, ["patch_embed", "tokens"]),
        ("efficientnet_lite0", "block2b_add", 64, ["stem_conv", "block1a_dwconv", "block1a_project_conv"]),
    ],
)
def test_backbones_of_our_own_layers_are_fine_tuned_up_to_a_layer(source, name, layer, side, frozen):
    source = replace(source, spec=ChipSpec(side=side))
    settings = TunedMember("net", name, layer=layer, weights="none", epochs=2, batch=8, freeze=0.35, falloff=0.5)
    settings = replace(settings, progressive=0.5)  # the first epoch at half the side
    keras.utils.set_random_seed(0)
    before = compile_network(settings, source, np.full(3, 0.3))
    after = fit_network(settings, source)
    still = [
        first.name
        for (_, first), (_, last) in zip(layer_positions(before), layer_positions(after), strict=True)
        if all(np.array_equal(*pair) for pair in zip(first.get_weights(), last.get_weights(), strict=True))
    ]
    assert still == frozen
    assert np.isfinite(after.predict_on_batch(np.zeros((2, side, side, 3), np.uint8))).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer"),
    [("convnext_v2_atto", "stage1_block2_add"), ("resnet26_bit", "stage1_block2_relu1"), ("vit_tiny_conv", "block1")],
)
def test_backbones_without_published_weights_learn_from_random_ones(source, name, layer):
    losses = []
    settings = TunedMember("net", name, layer=layer, init="random", epochs=4, batch=8, falloff=0.5)
    source = replace(source, spec=ChipSpec(side=32))
    model = fit_network(settings, source, after_epoch=lambda epoch, loss, state: losses.append(loss))
    assert losses[-1] < losses[0]
    assert np.isfinite(model.predict_on_batch(np.zeros((2, 32, 32, 3), np.uint8))).all()


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_rate_goes_by_steps_however_many_batches_a_step_gathers(source, schedule):
    settings = replace(SETTINGS, schedule=schedule, accumulate=4)
    model = compile_network(settings, source, np.full(3, 0.3))
    rates = []
    for _ in range(8):
        rates.append(float(model.optimizer.learning_rate))
        model.train_on_batch(pixels_of(source)[:8], source.targets[:8])
    assert rates[:4] == [rates[0]] * 4
    assert rates[4:] == [rates[4]] * 4
    assert rates[0] == 0 < rates[4]


def test_decay_has_a_layers_share_of_the_rate(source):
    """Without gradients, decay alone moves the weights."""
    settings = replace(SETTINGS, falloff=0.01, decay=0.5)
    model = compile_network(settings, source, np.full(3, 0.3))
    model.optimizer.iterations.assign(1)
    before = [np.array(variable) for variable in model.trainable_variables]
    model.optimizer.apply([keras.ops.zeros_like(value) for value in before])
    after = [np.array(variable) for variable in model.trainable_variables]
    first, head = (1 - np.abs(after[place]).sum() / np.abs(before[place]).sum() for place in (0, -2))
    assert first == pytest.approx(0.01 * head, rel=0.05)
    assert head > 1e-4


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize(
    "changes", [{}, {"ema": 0.9, "accumulate": 2}, {"progressive": 0.7, "mixup": 0.2}, {"falloff": 0.2}], ids=str
)
def test_a_resumed_run_ends_in_the_weights_of_an_unbroken_one(source, changes):
    states = []
    settings = replace(SETTINGS, **changes)
    whole = fit_network(settings, source, GROUPS, after_epoch=lambda epoch, loss, state: states.append(state))
    for state in states:
        resumed = fit_network(settings, source, GROUPS, state=state)
        for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_averaged_weights_are_not_the_last_ones(source):
    states = []
    model = fit_network(replace(SETTINGS, ema=0.9), source, after_epoch=lambda epoch, loss, state: states.append(state))
    last = states[-1]["0"]
    assert model.get_weights()[0].shape == last.shape
    assert not np.array_equal(model.get_weights()[0], last)
    assert np.abs(model.get_weights()[0] - last).max() < 0.1


@pytest.mark.slow
def test_lower_layers_move_less_where_the_rate_falls_off(source):
    moves = {}
    for falloff in (1.0, 0.01):
        settings = replace(SETTINGS, falloff=falloff, decay=0.0)
        states = []
        fit_network(settings, source, after_epoch=lambda epoch, loss, state, states=states: states.append(state))
        keras.utils.set_random_seed(0)
        start = compile_network(settings, source, np.full(3, 0.3)).get_weights()[0]
        moves[falloff] = np.abs(states[-1]["0"] - start).mean()
    assert moves[0.01] < 0.1 * moves[1.0]


def test_the_hyperrule_starts_from_a_head_of_zeros_and_knows_its_length(source):
    settings = replace(SETTINGS, schedule="hyperrule", batch=16)
    assert not untrained_network(settings).get_layer("labels").get_weights()[0].any()
    assert epoch_count(settings, source) == -(-500 * 512 // 16 // 3)
    states = []

    def stop(epoch, loss, state):
        states.append(state)
        if epoch == 3:
            raise KeyboardInterrupt(loss)

    with pytest.raises(KeyboardInterrupt):
        fit_network(settings, source, after_epoch=stop)
    assert [int(state["epochs"]) for state in states] == [1, 2, 3]


@pytest.mark.parametrize(
    ("output", "expected"), [("sigmoid", 2 * np.log(2) / 3), ("grouped", np.log(2) / 3), ("softmax", np.log(2) / 3)]
)
def test_the_loss_of_a_constant_answer_is_the_entropy_of_the_rates(source, output, expected):
    settings = replace(SETTINGS, output=output)
    assert constant_answer_loss(settings, source, GROUPS) == pytest.approx(expected, abs=0.01)


def test_a_state_of_another_network_is_refused(source):
    with pytest.raises(ValueError, match=r"the state has 1 variables, but the model has"):
        fit_network(SETTINGS, source, state={"epochs": np.array(1), "0": np.zeros(3)})


def test_a_loss_that_is_not_finite_stops_the_training(source):
    broken = BatchSource(source.paths, np.full_like(source.targets, np.inf), SPEC)
    with np.errstate(invalid="ignore"), pytest.raises(FloatingPointError, match=r"net became .* in epoch 1; lower its"):
        fit_network(SETTINGS, broken)


@pytest.mark.slow
def test_labels_are_learned_from_the_chips_where_they_are_known(source):
    targets = source.targets.copy()
    targets[::2, 0] = np.nan
    model = fit_network(replace(SETTINGS, epochs=8), BatchSource(source.paths, targets, SPEC))
    bright = source.targets[:, 0] > 0
    scores = model.predict_on_batch(pixels_of(source))[::2, 0]  # of chips whose label is unknown
    assert scores[bright[::2]].mean() > scores[~bright[::2]].mean() + 0.1


@pytest.mark.slow
def test_one_chip_is_enough_to_train_on(source):
    fit_network(SETTINGS, BatchSource(source.paths[:1], source.targets[:1], SPEC))
